//! Reads types: what in them borrows, and what has no name.

use quote::ToTokens;
use syn::visit::Visit;
use syn::{Lifetime, Type, TypeImplTrait, TypeReference};

/// `str` is owned as `String`, `[T]` as `Vec<T>`, anything else as itself.
pub(crate) fn owned_form(ty: &Type) -> String {
    match ty {
        Type::Path(path) if path.path.is_ident("str") => "String".to_owned(),
        Type::Slice(slice) => format!("Vec<{}>", slice.elem.to_token_stream()),
        other => other.to_token_stream().to_string(),
    }
}

/// The places of a type that borrow; what a reference points to is not read.
#[derive(Default)]
pub(crate) struct Borrowed<'a> {
    pub(crate) references: Vec<&'a TypeReference>,
    pub(crate) lifetimes: Vec<&'a Lifetime>,
}

impl<'a> Borrowed<'a> {
    pub(crate) fn within(ty: &'a Type) -> Self {
        let mut borrowed = Self::default();
        borrowed.visit_type(ty);
        borrowed
    }
}

impl<'a> Visit<'a> for Borrowed<'a> {
    fn visit_type_reference(&mut self, reference: &'a TypeReference) {
        self.references.push(reference);
    }

    fn visit_lifetime(&mut self, lifetime: &'a Lifetime) {
        if lifetime.ident != "static" {
            self.lifetimes.push(lifetime);
        }
    }
}

/// The places of a type that are written `impl Trait`.
pub(crate) fn unnamed(ty: &Type) -> Vec<&TypeImplTrait> {
    let mut unnamed = Unnamed::default();
    unnamed.visit_type(ty);
    unnamed.0
}

#[derive(Default)]
struct Unnamed<'a>(Vec<&'a TypeImplTrait>);

impl<'a> Visit<'a> for Unnamed<'a> {
    fn visit_type_impl_trait(&mut self, ty: &'a TypeImplTrait) {
        self.0.push(ty);
    }
}
