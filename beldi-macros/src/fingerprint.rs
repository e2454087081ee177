//! The code version of a handler: a hash of its tokens.
//!
//! A replay by other code is refused, so the hash must change with the code and with nothing else:
//! not with spans, comments, documentation or the trailing commas that a formatter moves, and not
//! from one compiler to the next.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::quote;

use crate::item::Function;
use crate::pipeline::Word;
use crate::tokens::is_punct;

/// FNV-1a over the tokens of signature and body, and whether the body is a transaction.
pub(crate) fn fingerprint(word: Word, function: &Function) -> u64 {
    let (sig, body) = (&function.sig, &function.body);
    let mut hash = Fnv(0xcbf2_9ce4_8422_2325);
    if word == Word::Txn {
        hash.word("txn");
    }
    hash.stream(quote! { #sig #body });
    hash.0
}

struct Fnv(u64);

impl Fnv {
    fn stream(&mut self, tokens: TokenStream) {
        let mut tokens = tokens.into_iter().peekable();
        while let Some(token) = tokens.next() {
            let next = tokens.peek();
            if next.is_some_and(|next| is_doc(&token, next)) {
                tokens.next();
            } else if next.is_some() || !is_punct(&token, ',') {
                self.token(token);
            }
        }
    }

    fn token(&mut self, token: TokenTree) {
        let TokenTree::Group(group) = token else {
            return self.word(&token.to_string());
        };
        let (open, close) = match group.delimiter() {
            Delimiter::Parenthesis => ("(", ")"),
            Delimiter::Brace => ("{", "}"),
            Delimiter::Bracket => ("[", "]"),
            Delimiter::None => ("", ""),
        };
        self.word(open);
        self.stream(group.stream());
        self.word(close);
    }

    /// Words end in a byte that no token contains, so `a b` and `ab` differ.
    fn word(&mut self, text: &str) {
        for byte in text.bytes().chain([0]) {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

/// Whether the two tokens are `#[doc ..]`, which is what a doc comment reads as.
fn is_doc(hash: &TokenTree, attribute: &TokenTree) -> bool {
    let TokenTree::Group(group) = attribute else {
        return false;
    };
    let first = group.stream().into_iter().next();
    is_punct(hash, '#') && first.is_some_and(|word| word.to_string() == "doc")
}

#[cfg(test)]
mod tests {
    use super::fingerprint;
    use crate::pipeline::Word;

    fn of(source: &str) -> u64 {
        fingerprint(Word::Ssf, &syn::parse_str(source).expect("a function"))
    }

    #[test]
    fn layout_and_comments_do_not_count() {
        let plain = of("async fn f(x: u32) -> u32 { let y = (x, 1); y.0 }");
        let dressed =
            of("async fn f(\n x: u32,\n) -> u32 {\n // why\n /// what\n let y = (x, 1,);\n y.0 }");
        assert_eq!(plain, dressed);
    }

    #[test]
    fn the_documentation_and_visibility_do_not_count() {
        assert_eq!(of("async fn f() {}"), of("/// F.\n#[allow(unused)] pub async fn f() {}"));
    }

    #[test]
    fn a_changed_token_counts() {
        assert_ne!(of("async fn f() { a.b }"), of("async fn f() { ab }"));
        assert_ne!(of("async fn f() { 1 }"), of("async fn f() { 2 }"));
        assert_ne!(of("async fn f(x: u32) {}"), of("async fn f(x: u64) {}"));
    }

    #[test]
    fn the_hash_is_the_same_in_every_build() {
        assert_eq!(of("async fn f() {}"), 15_092_012_363_170_986_718);
    }
}
