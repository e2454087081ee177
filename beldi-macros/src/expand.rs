//! Writes the generated items. The calls around awaits and async blocks are the rewriting's.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Block, ReturnType, Signature, Token, Type, parse_quote, parse_quote_spanned};

use crate::model::{Input, Part, Ssf};
use crate::placement::{self, Place};
use crate::runtime::Runtime;
use crate::types::unnamed;

/// Input:
///
/// ```text
/// /// Takes one room.
/// pub async fn reserve_room(hotel: String) -> Result<(), SoldOut> { body }
/// ```
///
/// Output:
///
/// ```text
/// /// Takes one room.
/// pub fn reserve_room(hotel: String) -> Call<reserve_room> { call::<reserve_room>(hotel) }
/// impl Ssf for reserve_room { .. }
/// impl Handler for reserve_room { .. }
/// impl reserve_room { async fn reserve_room(hotel: String) -> Result<(), SoldOut> { body } }
/// /// Takes one room.
/// pub struct reserve_room {}
/// ```
///
/// The type comes last, so that editors take the name for a function. It has braces, so that it
/// takes no name among the values.
pub(crate) fn ssf(ssf: &Ssf, runtime: &Runtime) -> TokenStream {
    let call = call(ssf, runtime);
    let contract = contract(ssf, runtime);
    let handler = ssf.function.body.as_ref().map(|body| handler(ssf, body, runtime));
    let marker = marker(ssf);
    quote! { #call #contract #handler #marker }
}

/// Input: `async fn helper(x: &str) -> u32 { body }`
///
/// Output: `fn helper(x: &str) -> impl Operation<Output = u32> { branch(async move { body }) }`
pub(crate) fn part(part: &Part, runtime: &Runtime) -> TokenStream {
    let Part { function, .. } = part;
    let mut sig = function.sig.clone();
    sig.output = operation(part, runtime);
    let body = match &function.body {
        Some(body) => part_body(part, body, runtime),
        None => quote! { ; },
    };
    let (attrs, vis) = (&function.attrs, &function.vis);
    let deny = deny_disallowed();
    quote! { #deny #(#attrs)* #vis #sig #body }
}

/// What callers use: the SSF's name among the functions. All of it stands in the user's text, so
/// that rustc warns of it as of any function.
fn call(ssf: &Ssf, runtime: &Runtime) -> TokenStream {
    let attrs = placement::of(ssf, Place::Call);
    let vis = &ssf.function.vis;
    let Signature { fn_token, ident, paren_token, .. } = &ssf.function.sig;
    let (parameter, argument) = match &ssf.input {
        Some(Input { name, ty }) => (quote! { #name: #ty }, quote! { #name }),
        None => (quote! {}, quote! { () }),
    };
    let at = paren_token.span.close();
    let module = runtime.module_at(at);
    quote_spanned! {at=>
        #(#attrs)*
        #vis #fn_token #ident(#parameter) -> #module::Call<#ident> {
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

/// The user's function, a private associated one: there its name does not hide the call of itself,
/// and type errors land on the user's expressions.
fn handler(ssf: &Ssf, body: &Block, runtime: &Runtime) -> TokenStream {
    let attrs = placement::of(ssf, Place::Handler);
    let Ssf { code, function, output, is_txn, .. } = ssf;
    let body = if *is_txn { txn_body(ssf, body, output, runtime) } else { body.to_token_stream() };
    let (sig, ident) = (&function.sig, &function.sig.ident);
    let module = runtime.module();
    let deny = deny_disallowed();
    let (parameter, argument) = match &ssf.input {
        Some(_) => (quote! { input }, quote! { input }),
        None => (quote! { () }, quote! {}),
    };
    let future = quote_spanned! {located_at(ident)=>
        impl ::core::future::Future<Output = Self::Output> + ::core::marker::Send
    };
    quote! {
        impl #module::Handler for #ident {
            const CODE: u64 = #code;
            fn run(#parameter: Self::Input) -> #future {
                Self::#ident(#argument)
            }
        }
        impl #ident {
            #[allow(dead_code, clippy::unused_async)]
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

/// What a part returns. The word `impl` is ours: its edition decides that the operation may borrow
/// what the parameters borrow. The last token is the user's: by it rustc tells whose signature it
/// is.
fn operation(part: &Part, runtime: &Runtime) -> ReturnType {
    let Part { output, .. } = part;
    let operation = runtime.operation();
    let close = Token![>](output.span());
    parse_quote_spanned! {located_at(output)=> -> impl #operation<Output = #output #close }
}

/// The body of a part.
fn part_body(part: &Part, body: &Block, runtime: &Runtime) -> TokenStream {
    let block = branch(&part.function.sig, body, &part.output, runtime);
    let block = if part.is_txn { runtime.transaction(block) } else { block };
    within_braces(body, block)
}

/// The body of an SSF that is one transaction: a single step.
///
/// Output: `{ step(txn(branch(async move { body }))).await }`
fn txn_body(ssf: &Ssf, body: &Block, output: &Type, runtime: &Runtime) -> TokenStream {
    let block = branch(&ssf.function.sig, body, output, runtime);
    let step = runtime.step(runtime.transaction(block));
    within_braces(body, quote! { #step.await })
}

/// A body as a branch. Its first statement, which never runs, tells the type that the block returns,
/// so that `?` infers and wrong types are reported at the user's expressions.
fn branch(sig: &Signature, body: &Block, output: &Type, runtime: &Runtime) -> TokenStream {
    let at = located_at(output);
    let declared = unnamed(output).is_empty().then(|| {
        quote_spanned! {at=>
            if false {
                return ::core::option::Option::<#output>::None.unwrap();
            }
        }
    });
    let at = located_at(&sig.ident);
    let mut block = quote_spanned! {at=> async move };
    let Block { brace_token, stmts } = body;
    brace_token.surround(&mut block, |block| block.extend(quote! { #declared #(#stmts)* }));
    runtime.branch(block)
}

fn within_braces(body: &Block, inner: TokenStream) -> TokenStream {
    let mut block = TokenStream::new();
    body.brace_token.surround(&mut block, |block| block.extend(inner));
    block
}

/// Clippy sees names through imports, and those that a user's `clippy.toml` adds.
fn deny_disallowed() -> TokenStream {
    quote! { #[deny(clippy::disallowed_methods, clippy::disallowed_types)] }
}

/// Generated code that stands where the user wrote `tokens` in rustc's messages, and that lints know
/// to be generated.
fn located_at(tokens: impl ToTokens) -> Span {
    Span::call_site().located_at(tokens.span())
}
