//! Writes the generated code: everything that is quoted, but for the two calls around awaits and async blocks.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Block, Type, parse_quote, parse_quote_spanned};

use crate::model::{Input, Part, Ssf};
use crate::placement::{self, Place};
use crate::runtime::Runtime;
use crate::types::unnamed;

/// Input:
///
/// ```ignore
/// /// Takes one room.
/// pub async fn reserve_room(hotel: String) -> Result<(), SoldOut> { body }
/// ```
///
/// Output:
///
/// ```ignore
/// /// Takes one room.
/// pub fn reserve_room(hotel: String) -> Call<reserve_room> { call::<reserve_room>(hotel) }
/// impl Ssf for reserve_room { .. }
/// impl Handler for reserve_room { .. }
/// impl reserve_room { async fn reserve_room(hotel: String) -> Result<(), SoldOut> { body } }
/// /// Takes one room.
/// pub struct reserve_room {}
/// ```
///
/// The type comes last, so that editors take the name for a function. It has braces, so that it takes no name among the
/// values.
pub(crate) fn ssf(ssf: &Ssf, runtime: &Runtime) -> TokenStream {
    let call = call(ssf, runtime);
    let contract = contract(ssf, runtime);
    let handler = ssf.function.body.as_ref().map(|body| handler(ssf, body, runtime));
    let marker = marker(ssf);
    quote! { #call #contract #handler #marker }
}

/// Input: `#[read_only] async fn helper(x: &str) -> u32 { body }`
///
/// Output: `fn helper(x: &str) -> impl ReadOnlyOperation<Output = u32> { read_only_branch(async move { body }) }`
///
/// The `impl` is written with the span of this crate: its edition decides that the operation may borrow what the
/// parameters borrow.
pub(crate) fn part(part: &Part, runtime: &Runtime) -> TokenStream {
    let Part { function, output } = part;
    let operation = runtime.operation();
    let at = located_at(output);
    let mut sig = function.sig.clone();
    sig.output = parse_quote_spanned! {at=> -> impl #operation<Output = #output> };
    let body = match &function.body {
        Some(body) => part_body(part, body, runtime),
        None => quote! { ; },
    };
    let (attrs, vis) = (&function.attrs, &function.vis);
    let deny = deny_disallowed();
    quote! { #deny #(#attrs)* #vis #sig #body }
}

/// What callers use: the SSF's name among the functions.
fn call(ssf: &Ssf, runtime: &Runtime) -> TokenStream {
    let attrs = placement::of(ssf, Place::Call);
    let (vis, ident) = (&ssf.function.vis, &ssf.function.sig.ident);
    let module = runtime.module();
    let (parameter, argument) = match &ssf.input {
        Some(Input { name, ty }) => (quote! { #name: #ty }, quote! { #name }),
        None => (quote! {}, quote! { () }),
    };
    quote! {
        #(#attrs)*
        #vis fn #ident(#parameter) -> #module::Call<#ident> {
            #module::call::<#ident>(#argument)
        }
    }
}

/// What both sides of the wire know.
fn contract(ssf: &Ssf, runtime: &Runtime) -> TokenStream {
    let Ssf { name, read_only, output, .. } = ssf;
    let ident = &ssf.function.sig.ident;
    let module = runtime.module();
    let service = match &ssf.service {
        Some(service) => quote! { ::core::option::Option::Some(#service) },
        None => quote! { ::core::option::Option::None },
    };
    let input = match &ssf.input {
        Some(input) => assigned("Input", &input.ty),
        None => assigned("Input", &parse_quote! { () }),
    };
    let output = assigned("Output", output);
    let read_only_marker = read_only.then(|| quote! { impl #module::ReadOnly for #ident {} });
    quote! {
        impl #module::Ssf for #ident {
            const NAME: &'static str = #name;
            const SERVICE: ::core::option::Option<&'static str> = #service;
            const READ_ONLY: bool = #read_only;
            const FALLIBLE: bool = {
                #[allow(unused_imports)]
                use #module::NotResult as _;
                #module::Probe::<Self::Output>::IS_RESULT
            };
            #input
            #output
        }
        #read_only_marker
    }
}

fn assigned(name: &str, ty: &Type) -> TokenStream {
    let name = format_ident!("{name}");
    quote_spanned! {located_at(ty)=> type #name = #ty; }
}

/// The user's function, a private associated one: there its name does not hide the call of itself, and type errors land on
/// the user's expressions.
fn handler(ssf: &Ssf, body: &Block, runtime: &Runtime) -> TokenStream {
    let attrs = placement::of(ssf, Place::Handler);
    let Ssf { code, function, .. } = ssf;
    let (sig, ident) = (&function.sig, &function.sig.ident);
    let module = runtime.module();
    let deny = deny_disallowed();
    let argument = ssf.input.as_ref().map(|_| quote! { input });
    let future = quote_spanned! {located_at(ident)=>
        impl ::core::future::Future<Output = Self::Output> + ::core::marker::Send
    };
    quote! {
        impl #module::Handler for #ident {
            const CODE: u64 = #code;
            fn run(input: Self::Input) -> #future {
                Self::#ident(#argument)
            }
        }
        impl #ident {
            #deny
            #(#attrs)*
            #sig #body
        }
    }
}

/// The SSF's name among the types.
fn marker(ssf: &Ssf) -> TokenStream {
    let attrs = placement::of(ssf, Place::Marker);
    let (vis, ident) = (&ssf.function.vis, &ssf.function.sig.ident);
    quote! {
        #(#attrs)*
        #[allow(non_camel_case_types, missing_debug_implementations)]
        #vis struct #ident {}
    }
}

/// The body of a part. Its first statement, which never runs, tells the type that the block returns, so that `?` infers
/// and wrong types are reported at the user's expressions.
fn part_body(part: &Part, body: &Block, runtime: &Runtime) -> TokenStream {
    let Part { function, output } = part;
    let at = located_at(output);
    let declared = unnamed(output).is_empty().then(|| {
        quote_spanned! {at=>
            if false {
                return ::core::option::Option::<#output>::None.unwrap();
            }
        }
    });
    let at = located_at(&function.sig.ident);
    let mut block = quote_spanned! {at=> async move };
    let Block { brace_token, stmts } = body;
    brace_token.surround(&mut block, |block| block.extend(quote! { #declared #(#stmts)* }));
    let branch = runtime.branch(block);
    quote! { { #branch } }
}

/// Clippy knows more names than the macro, and sees them through imports: the project's `clippy.toml` lists them.
fn deny_disallowed() -> TokenStream {
    quote! { #[deny(clippy::disallowed_methods, clippy::disallowed_types)] }
}

/// Generated code that stands in rustc's messages where the user wrote `tokens`, but that lints know to be generated.
fn located_at(tokens: impl ToTokens) -> Span {
    Span::call_site().located_at(tokens.span())
}
