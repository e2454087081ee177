//! Collects every mistake of one item, so that one compilation shows them all.

use std::fmt::Display;

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};

/// The mistakes found so far, in the order they were found.
#[derive(Default)]
pub(crate) struct Errors(Vec<syn::Error>);

impl Errors {
    /// Records a mistake that the user mends at `tokens`.
    pub(crate) fn push(&mut self, tokens: impl ToTokens, message: impl Display) {
        self.0.push(syn::Error::new_spanned(tokens, message));
    }

    /// Records what a parser said.
    pub(crate) fn add(&mut self, error: syn::Error) {
        self.0.push(error);
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// The expansion, followed by one `compile_error!` for each mistake.
    pub(crate) fn beside(&self, expansion: &TokenStream) -> TokenStream {
        let errors = self.0.iter().map(syn::Error::to_compile_error);
        quote! { #expansion #(#errors)* }
    }
}
