//! The annotated function as written: with a body, or ending in a semicolon.

use syn::parse::{Parse, ParseStream};
use syn::{AttrStyle, Attribute, Block, Signature, Token, Visibility, braced, token};

/// `syn::ItemFn`, but the body may be missing.
pub(crate) struct Function {
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) vis: Visibility,
    pub(crate) sig: Signature,
    pub(crate) body: Option<Block>,
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut attrs = input.call(Attribute::parse_outer)?;
        let vis = input.parse()?;
        let sig = input.parse()?;
        let body = if input.peek(Token![;]) {
            input.parse::<Token![;]>()?;
            None
        } else {
            Some(parse_body(input, &mut attrs)?)
        };
        Ok(Self { attrs, vis, sig, body })
    }
}

/// Attributes written inside the body belong to the function, as they do for rustc.
fn parse_body(input: ParseStream<'_>, attrs: &mut Vec<Attribute>) -> syn::Result<Block> {
    if !input.peek(token::Brace) {
        return Err(input.error("expected the body of the function, or `;`"));
    }
    let content;
    let brace_token = braced!(content in input);
    for mut attr in content.call(Attribute::parse_inner)? {
        attr.style = AttrStyle::Outer;
        attrs.push(attr);
    }
    let stmts = content.call(Block::parse_within)?;
    Ok(Block { brace_token, stmts })
}
