//! The way from an attribute and its item to the generated code.
//!
//! Options and item are read (`args`, `item`) and checked (`rules`), the body is read (`lint`) and
//! rewritten (`rewrite`), and all of it put into a `model` and written out (`expand`). Mistakes are
//! collected (`errors`) and reported beside an item as near to the right one as can be (`fallback`).

use std::fmt;

use proc_macro2::TokenStream;

use crate::args::Options;
use crate::errors::Errors;
use crate::fingerprint::fingerprint;
use crate::item::Function;
use crate::lint::lint;
use crate::model::{Part, Ssf};
use crate::rewrite::rewrite;
use crate::{expand, fallback, rules};

/// The attributes of this crate.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Word {
    Ssf,
    Part,
    Txn,
}

impl Word {
    pub(crate) fn options(self) -> &'static [&'static str] {
        match self {
            Self::Ssf => &["name", "read_only", "service", "crate"],
            Self::Part => &["read_only", "crate"],
            Self::Txn => &["name", "read_only", "part", "crate"],
        }
    }

    pub(crate) fn noun(self) -> &'static str {
        match self {
            Self::Ssf => "an SSF",
            Self::Part => "a part",
            Self::Txn => "a transaction",
        }
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ssf => "ssf",
            Self::Part => "part",
            Self::Txn => "txn",
        })
    }
}

/// Expands whatever stands there; mistakes are reported beside the expansion.
pub(crate) fn run(word: Word, options: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let options = Options::parse(word, options, &mut errors);
    let expansion = match syn::parse2(item.clone()) {
        Ok(function) => expand_function(word, function, options, &mut errors),
        Err(error) => fallback::not_a_function(word, item, &error, &mut errors),
    };
    errors.beside(&expansion)
}

fn expand_function(
    word: Word,
    mut function: Function,
    options: Options,
    errors: &mut Errors,
) -> TokenStream {
    let runtime = options.runtime();
    let is_txn = word == Word::Txn;
    let is_ssf = word == Word::Ssf || (is_txn && options.part.is_none());
    let code = fingerprint(word, &function);
    let sound = rules::check_signature(word, is_ssf, &function.sig, errors);
    if is_ssf {
        rules::check_options(word, &function, &options, errors);
    }
    // One that returns no `Result` is expanded as if it were none, or its types were wrong too.
    let is_txn = is_txn && rules::check_txn(&function, &options, errors);
    if let Some(body) = &mut function.body {
        lint(body, word == Word::Txn, errors);
        rewrite(body, &runtime);
    }
    if !is_ssf {
        return expand::part(&Part::new(function, is_txn), &runtime);
    }
    if !sound {
        return expand::part(&fallback::as_part(function, is_txn), &runtime);
    }
    expand::ssf(&Ssf::new(function, options, code, is_txn), &runtime)
}
