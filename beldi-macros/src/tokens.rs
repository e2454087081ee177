//! Reads the arguments of macro calls, which have tokens but no syntax tree.

use std::iter::Peekable;

use proc_macro2::{Ident, TokenStream, TokenTree, token_stream};

/// All tokens at every depth, in order, without the groups around them and without the bodies of
/// async closures, which are the outside world.
pub(crate) fn flatten(tokens: TokenStream) -> Vec<TokenTree> {
    let mut flat = Vec::new();
    flatten_into(tokens, &mut flat);
    flat
}

/// The `await` words after a dot.
pub(crate) fn awaits(flat: &[TokenTree]) -> impl Iterator<Item = &Ident> {
    flat.windows(2).filter_map(|pair| match pair {
        [TokenTree::Punct(dot), TokenTree::Ident(word)]
            if dot.as_char() == '.' && word == "await" =>
        {
            Some(word)
        }
        _ => None,
    })
}

/// The paths `a::b::c`, as their words; fields and methods are not paths.
pub(crate) fn paths(flat: &[TokenTree]) -> Vec<Vec<Ident>> {
    let mut paths: Vec<Vec<Ident>> = Vec::new();
    for (at, token) in flat.iter().enumerate() {
        let TokenTree::Ident(word) = token else {
            continue;
        };
        match flat[..at] {
            [.., TokenTree::Ident(_), ref a, ref b] if is_punct(a, ':') && is_punct(b, ':') => {
                if let Some(path) = paths.last_mut() {
                    path.push(word.clone());
                }
            }
            [.., ref dot] if is_punct(dot, '.') => {}
            _ => paths.push(vec![word.clone()]),
        }
    }
    paths
}

fn flatten_into(tokens: TokenStream, flat: &mut Vec<TokenTree>) {
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        if is_word(&token, "async") {
            skip_closure(&mut tokens);
        }
        match token {
            TokenTree::Group(group) => flatten_into(group.stream(), flat),
            token => flat.push(token),
        }
    }
}

/// Input: what follows `async`. Skips `move |..| { .. }`, or `|..| expression` up to the next
/// comma; an `async` block stays.
fn skip_closure(tokens: &mut Peekable<token_stream::IntoIter>) {
    tokens.next_if(|token| is_word(token, "move"));
    if tokens.next_if(|token| is_punct(token, '|')).is_none() {
        return;
    }
    while tokens.next_if(|token| !is_punct(token, '|')).is_some() {}
    while tokens.next_if(|token| !is_punct(token, ',')).is_some() {}
}

fn is_word(token: &TokenTree, word: &str) -> bool {
    matches!(token, TokenTree::Ident(ident) if ident == word)
}

/// Whether the token is this punctuation character.
pub(crate) fn is_punct(token: &TokenTree, char: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == char)
}
