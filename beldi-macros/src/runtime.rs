//! The names that generated code calls. All of them live in one module of the facade.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::Path;
use syn::spanned::Spanned;

/// The way to the facade's `__private` module, and the side of it that a function may use.
#[derive(Clone)]
pub(crate) struct Runtime {
    facade: Option<Path>,
    read_only: bool,
}

impl Runtime {
    /// `facade` is the value of the option `crate`.
    pub(crate) fn new(facade: Option<Path>, read_only: bool) -> Self {
        Self { facade, read_only }
    }

    /// `::beldi::__private`, for generated items.
    pub(crate) fn module(&self) -> TokenStream {
        self.module_at(Span::call_site())
    }

    /// The call that claims a step.
    pub(crate) fn step(&self, operation: impl ToTokens) -> TokenStream {
        self.call(if self.read_only { "read_only_step" } else { "step" }, operation)
    }

    /// The operation that an async block becomes.
    pub(crate) fn branch(&self, block: impl ToTokens) -> TokenStream {
        self.call(if self.read_only { "read_only_branch" } else { "branch" }, block)
    }

    /// The operation, as one transaction.
    pub(crate) fn transaction(&self, operation: impl ToTokens) -> TokenStream {
        self.call(if self.read_only { "snapshot" } else { "txn" }, operation)
    }

    /// The trait of what a part returns.
    pub(crate) fn operation(&self) -> TokenStream {
        let module = self.module();
        if self.read_only {
            quote! { #module::ReadOnlyOperation }
        } else {
            quote! { #module::Operation }
        }
    }

    /// A call that stands exactly where its argument does: rustc reports a missing bound for both,
    /// but only once in one place, and its suggestions and `#[track_caller]` fit the user's text.
    fn call(&self, function: &str, argument: impl ToTokens) -> TokenStream {
        let begin = argument.span();
        let last = argument.to_token_stream().into_iter().last();
        let end = last.map_or(begin, |token| token.span());
        let module = self.module_at(begin);
        let function = Ident::new(function, end);
        let call = quote_spanned! {end=> #function(#argument) };
        quote_spanned! {begin=> #module::#call }
    }

    /// `::beldi::__private`, standing somewhere in the user's text.
    pub(crate) fn module_at(&self, at: Span) -> TokenStream {
        match &self.facade {
            None => quote_spanned! {at=> ::beldi::__private },
            Some(path) => {
                let path = located_at(path.to_token_stream(), at);
                quote_spanned! {at=> #path::__private }
            }
        }
    }
}

/// Moves tokens to another place in the source, but keeps what their names mean.
fn located_at(tokens: TokenStream, at: Span) -> TokenStream {
    let moved = tokens.into_iter().map(|mut token| {
        token.set_span(token.span().located_at(at));
        token
    });
    moved.collect()
}
