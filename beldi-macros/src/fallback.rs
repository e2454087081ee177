//! What a wrong item expands to beside its errors: something that its callers and editors can go
//! on working with.

use proc_macro2::TokenStream;
use syn::visit_mut::{self, VisitMut};
use syn::{TypeImplTrait, TypeParam, parse_quote};

use crate::errors::Errors;
use crate::item::Function;
use crate::model::Part;
use crate::pipeline::Word;

/// What is no function stays as it came.
pub(crate) fn not_a_function(
    word: Word,
    item: TokenStream,
    error: &syn::Error,
    errors: &mut Errors,
) -> TokenStream {
    let message = format!("`#[beldi::{word}]` goes on an `async fn`: {error}");
    errors.add(syn::Error::new(error.span(), message));
    item
}

/// An SSF with a wrong signature becomes a part: a part may have any signature, and its callers'
/// awaits are well-typed.
pub(crate) fn as_part(mut function: Function, is_txn: bool) -> Part {
    MakeSend.visit_signature_mut(&mut function.sig);
    function.body.get_or_insert_with(|| parse_quote! { { ::core::unreachable!() } });
    Part::new(function, is_txn)
}

/// The user wrote no `Send` that a part would need, for an SSF needs none.
struct MakeSend;

impl VisitMut for MakeSend {
    fn visit_type_param_mut(&mut self, param: &mut TypeParam) {
        param.bounds.push(parse_quote! { ::core::marker::Send });
        visit_mut::visit_type_param_mut(self, param);
    }

    fn visit_type_impl_trait_mut(&mut self, ty: &mut TypeImplTrait) {
        ty.bounds.push(parse_quote! { ::core::marker::Send });
        visit_mut::visit_type_impl_trait_mut(self, ty);
    }
}
