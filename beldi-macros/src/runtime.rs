//! The names that generated code calls. All of them live in one module of the facade.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::Path;

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

    /// The call that claims a step for `operation`, at the operation's own place: there rustc reports its errors, and
    /// there `#[track_caller]` points.
    pub(crate) fn step(&self, operation: impl ToTokens, at: Span) -> TokenStream {
        let module = self.module_at(at);
        if self.read_only {
            quote_spanned! {at=> #module::read_only_step(::core::convert::identity(#operation)) }
        } else {
            quote_spanned! {at=> #module::step(::core::convert::identity(#operation)) }
        }
    }

    /// The operation that an async block becomes.
    pub(crate) fn branch(&self, block: impl ToTokens, at: Span) -> TokenStream {
        let module = self.module_at(at);
        if self.read_only {
            quote_spanned! {at=> #module::read_only_branch(#block) }
        } else {
            quote_spanned! {at=> #module::branch(#block) }
        }
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

    fn module_at(&self, at: Span) -> TokenStream {
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
