//! The attributes of `beldi`. Use them through that crate, whose documentation explains the ideas; this page is their
//! reference.
//!
//! How they work, in the order of the modules: the options and the item are read ([`args`], [`item`]) and checked into a
//! [`model`]; awaits and async blocks are rewritten ([`rewrite`]) and sources of nondeterminism looked for ([`lint`]);
//! then all of it is written out ([`expand`]). Mistakes are collected ([`errors`]) and reported beside an item that is as
//! near to the right one as possible ([`fallback`]), so that callers and editors keep working.

mod args;
mod errors;
mod expand;
mod fallback;
mod fingerprint;
mod item;
mod lint;
mod model;
mod nondeterminism;
mod pipeline;
mod placement;
mod rewrite;
mod rules;
mod runtime;
mod suggest;
#[cfg(test)]
mod tests;
mod tokens;
mod types;

use proc_macro::TokenStream;

use crate::pipeline::Word;

#[proc_macro_attribute]
pub fn ssf(options: TokenStream, item: TokenStream) -> TokenStream {
    pipeline::run(Word::Ssf, options.into(), item.into()).into()
}

#[proc_macro_attribute]
pub fn part(options: TokenStream, item: TokenStream) -> TokenStream {
    pipeline::run(Word::Part, options.into(), item.into()).into()
}
