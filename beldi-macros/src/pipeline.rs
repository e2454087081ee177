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

/// The attributes of this crate. `txn` will be the third.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Word {
    Ssf,
    Part,
}

impl Word {
    pub(crate) fn options(self) -> &'static [&'static str] {
        match self {
            Self::Ssf => &["name", "read_only", "service", "crate"],
            Self::Part => &["read_only", "crate"],
        }
    }

    pub(crate) fn noun(self) -> &'static str {
        match self {
            Self::Ssf => "an SSF",
            Self::Part => "a part",
        }
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ssf => "ssf",
            Self::Part => "part",
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
    let code = fingerprint(&function);
    let sound = rules::check_signature(word, &function.sig, errors);
    if word == Word::Ssf {
        rules::check_options(&function, &options, errors);
    }
    if let Some(body) = &mut function.body {
        lint(body, errors);
        rewrite(body, &runtime);
    }
    match word {
        Word::Ssf if sound => expand::ssf(&Ssf::new(function, options, code), &runtime),
        Word::Ssf => expand::part(&fallback::as_part(function), &runtime),
        Word::Part => expand::part(&Part::new(function), &runtime),
    }
}
