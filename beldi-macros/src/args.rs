//! The options between the parentheses of an attribute.

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{LitStr, Path, Token};

use crate::errors::Errors;
use crate::pipeline::Word;
use crate::runtime::Runtime;
use crate::suggest::nearest;

/// What the options say; a wrong one is reported and then left out.
#[derive(Default)]
pub(crate) struct Options {
    pub(crate) name: Option<LitStr>,
    pub(crate) service: Option<LitStr>,
    pub(crate) read_only: bool,
    /// Whether a transaction is one within others' steps.
    pub(crate) part: Option<Ident>,
    facade: Option<Path>,
}

impl Options {
    pub(crate) fn parse(word: Word, tokens: TokenStream, errors: &mut Errors) -> Self {
        let mut options = Self::default();
        let mut seen = Vec::new();
        for option in parse_list(tokens, word, errors) {
            let name = option.name.to_string();
            if !word.options().contains(&name.as_str()) {
                errors.push(&option.name, unknown(&name, word));
            } else if seen.contains(&name) {
                errors.push(&option.name, format_args!("option `{name}` is given twice; keep one"));
            } else {
                options.set(&option, errors);
                seen.push(name);
            }
        }
        options
    }

    pub(crate) fn runtime(&self) -> Runtime {
        Runtime::new(self.facade.clone(), self.read_only)
    }

    fn set(&mut self, option: &Assignment, errors: &mut Errors) {
        match option.name.to_string().as_str() {
            "name" => self.name = option.value("a string: `name = \"..\"`", errors),
            "service" => self.service = option.value("a string: `service = \"..\"`", errors),
            "crate" => self.facade = option.value("a path: `crate = my_crate::beldi`", errors),
            "part" => {
                option.is_flag(errors);
                self.part = Some(option.name.clone());
            }
            _ => self.read_only = option.is_flag(errors),
        }
    }
}

/// `name` or `name = value`.
struct Assignment {
    name: Ident,
    value: Option<TokenStream>,
}

impl Parse for Assignment {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let name = Ident::parse_any(input)?;
        if input.parse::<Option<Token![=]>>()?.is_none() {
            return Ok(Self { name, value: None });
        }
        let mut value = Vec::new();
        while !input.is_empty() && !input.peek(Token![,]) {
            value.push(input.parse::<TokenTree>()?);
        }
        let value = Some(value.into_iter().collect());
        Ok(Self { name, value })
    }
}

impl Assignment {
    fn value<T: Parse>(&self, expected: &str, errors: &mut Errors) -> Option<T> {
        let value = self.value.clone().unwrap_or_default();
        let parsed = syn::parse2(value.clone()).ok();
        if parsed.is_none() {
            let place = if value.is_empty() { self.name.to_token_stream() } else { value };
            errors.push(place, format_args!("option `{}` takes {expected}", self.name));
        }
        parsed
    }

    fn is_flag(&self, errors: &mut Errors) -> bool {
        if let Some(value) = &self.value {
            errors.push(value, format_args!("option `{0}` takes no value: write `{0}`", self.name));
        }
        true
    }
}

fn parse_list(
    tokens: TokenStream,
    word: Word,
    errors: &mut Errors,
) -> Punctuated<Assignment, Token![,]> {
    let parsed = Punctuated::parse_terminated.parse2(tokens.clone());
    parsed.unwrap_or_else(|_| {
        let first = tokens.into_iter().next();
        errors.push(first, format_args!("expected an option of `#[{word}]`; {}", listed(word)));
        Punctuated::new()
    })
}

fn unknown(name: &str, word: Word) -> String {
    let listed = listed(word);
    match nearest(name, word.options()) {
        Some(known) => format!("unknown option `{name}`: did you mean `{known}`? {listed}"),
        None => format!("unknown option `{name}`; {listed}"),
    }
}

fn listed(word: Word) -> String {
    let names: Vec<_> = word.options().iter().map(|option| format!("`{option}`")).collect();
    format!("options are {}", names.join(", "))
}
