//! Turns awaits into steps and async blocks into branches.
//!
//! Nested items and async closures are the outside world and stay as written.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::visit_mut::{self, VisitMut};
use syn::{
    Block, Expr, ExprAsync, ExprAwait, ExprCall, ExprClosure, Item, Macro, Token, parse_quote,
};

use crate::lint::{is_parallel, plain_work_of_effect};
use crate::runtime::Runtime;

/// Rewrites a body in place.
pub(crate) fn rewrite(body: &mut Block, runtime: &Runtime) {
    Rewrite { runtime }.visit_block_mut(body);
}

struct Rewrite<'a> {
    runtime: &'a Runtime,
}

impl VisitMut for Rewrite<'_> {
    // The operands first: they are evaluated first, and so claim their steps first.
    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        visit_mut::visit_expr_mut(self, expr);
        match expr {
            Expr::Await(awaited) => self.await_to_step(awaited),
            Expr::Async(block) => *expr = self.block_to_branch(block),
            _ => {}
        }
    }

    fn visit_expr_call_mut(&mut self, call: &mut ExprCall) {
        if plain_work_of_effect(call).is_some() {
            call.args.last_mut().into_iter().for_each(mend_work);
        }
        visit_mut::visit_expr_call_mut(self, call);
    }

    fn visit_expr_closure_mut(&mut self, closure: &mut ExprClosure) {
        if closure.asyncness.is_none() {
            visit_mut::visit_expr_closure_mut(self, closure);
        }
    }

    /// Awaits in macro calls are mistakes that the lint reports. They are rewritten where the
    /// arguments can be read, and races and joins of futures taken out, so that no types are wrong
    /// on top of that.
    fn visit_macro_mut(&mut self, call: &mut Macro) {
        let arguments = Punctuated::<Expr, Token![,]>::parse_terminated;
        if is_parallel(&call.path) {
            call.path = parse_quote! { ::core::unreachable };
            call.tokens = TokenStream::new();
        } else if let Ok(mut arguments) = arguments.parse2(call.tokens.clone()) {
            arguments.iter_mut().for_each(|argument| self.visit_expr_mut(argument));
            call.tokens = arguments.into_token_stream();
        }
    }

    fn visit_item_mut(&mut self, _: &mut Item) {}
}

impl Rewrite<'_> {
    /// Input: `EXPR.await`
    ///
    /// Output: `::beldi::__private::step(EXPR).await`
    fn await_to_step(&self, awaited: &mut ExprAwait) {
        let step = self.runtime.step(without_parentheses(&awaited.base));
        *awaited.base = Expr::Verbatim(step);
    }

    /// Input: `async { .. }`
    ///
    /// Output: `::beldi::__private::branch(async { .. })`
    fn block_to_branch(&self, block: &ExprAsync) -> Expr {
        Expr::Verbatim(self.runtime.branch(block))
    }
}

/// As an argument the operation needs no parentheses, and rustc would say so to the user.
fn without_parentheses(expr: &Expr) -> &Expr {
    match expr {
        Expr::Paren(inner) if inner.attrs.is_empty() => &inner.expr,
        other => other,
    }
}

/// A mistake that the lint reports.
///
/// Input: `|key| async move { .. }`
///
/// Output: `async move |key| { .. }`
fn mend_work(work: &mut Expr) {
    if let Expr::Closure(work) = work
        && let Expr::Async(ExprAsync { async_token, capture, block, .. }) = &*work.body
    {
        work.asyncness = Some(*async_token);
        work.capture = work.capture.or(*capture);
        work.body = parse_quote! { #block };
    }
}
