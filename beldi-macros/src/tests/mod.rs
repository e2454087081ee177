//! Expansions as text, and the messages beside them. Where a message points is the business of the
//! UI tests.

mod body;
mod items;
mod mistakes;

use proc_macro2::TokenStream;
use quote::quote;
use syn::{File, Item, parse2};

use crate::pipeline::{Word, run};

/// The expansion as rustfmt would print it.
fn expanded(word: Word, options: TokenStream, item: TokenStream) -> String {
    let file: File = parse2(run(word, options, item)).expect("an expansion is made of items");
    prettyplease::unparse(&file)
}

/// What becomes of a body.
fn rewritten(body: &TokenStream) -> String {
    let text = expanded(Word::Ssf, quote! {}, quote! { async fn f() { #body } });
    let (_, method) = text.split_once("async fn f() ").expect("the handler is there");
    let (body, _) = method.split_once("\n}\n").expect("its impl ends");
    body.replace("\n    ", "\n")
}

/// The messages beside an expansion, in their order.
fn messages(word: Word, options: TokenStream, item: TokenStream) -> Vec<String> {
    let file: File = parse2(run(word, options, item)).expect("an expansion is made of items");
    let errors = file.items.iter().filter_map(|item| match item {
        Item::Macro(call) if call.mac.path.segments.last()?.ident == "compile_error" => {
            Some(call.mac.parse_body::<syn::LitStr>().expect("a message").value())
        }
        _ => None,
    });
    errors.collect()
}

/// The messages that a body causes.
fn body_messages(body: &TokenStream) -> Vec<String> {
    messages(Word::Ssf, quote! {}, quote! { async fn f() { #body } })
}
