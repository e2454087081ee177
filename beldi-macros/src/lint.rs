//! Reads a body for what the types cannot see: names of things that differ from one attempt of an
//! instance to the next, and awaits inside macro calls.
//!
//! Nested items and async closures are the outside world and are not read.

use proc_macro2::Ident;
use quote::{ToTokens, quote};
use syn::visit::{self, Visit};
use syn::{Block, Expr, ExprAwait, ExprCall, ExprClosure, Item, Macro, Path};

use crate::errors::Errors;
use crate::nondeterminism::advice;
use crate::tokens::{awaits, flatten, paths};

/// Reports what it finds in a body that is not yet rewritten.
pub(crate) fn lint(body: &Block, in_txn: bool, errors: &mut Errors) {
    Lint { in_txn, errors }.visit_block(body);
}

struct Lint<'a> {
    /// Whether this is inside of a transaction, as far as the text shows.
    in_txn: bool,
    errors: &'a mut Errors,
}

impl<'a> Visit<'a> for Lint<'_> {
    fn visit_path(&mut self, path: &'a Path) {
        let words: Vec<_> = path.segments.iter().map(|segment| segment.ident.clone()).collect();
        self.check_path(&words, path);
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'a Macro) {
        let tokens = flatten(call.tokens.clone());
        if is_parallel(&call.path) {
            self.check_parallel(&call.path);
        } else {
            awaits(&tokens).for_each(|word| self.hidden_await(word));
        }
        for path in paths(&tokens) {
            self.check_path(&path, Words(&path));
        }
    }

    fn visit_expr_call(&mut self, call: &'a ExprCall) {
        if self.in_txn && is_call_of(call, "effect") {
            self.effect_in_txn(call);
        }
        let outside = self.in_txn;
        self.in_txn |= is_call_of(call, "txn");
        if let Some(closure) = plain_work_of_effect(call) {
            self.check_work(closure);
        } else {
            visit::visit_expr_call(self, call);
        }
        self.in_txn = outside;
    }

    fn visit_expr_await(&mut self, awaited: &'a ExprAwait) {
        if let Expr::MethodCall(call) = &*awaited.base
            && self.in_txn
            && call.method == "scan"
        {
            self.errors.push(
                &call.method,
                "a scan cannot be part of a transaction: no lock can be had on a row that is not \
                 there yet; use `get_many` on keys you know, or scan before the transaction",
            );
        }
        visit::visit_expr_await(self, awaited);
    }

    fn visit_expr_closure(&mut self, closure: &'a ExprClosure) {
        if closure.asyncness.is_none() {
            visit::visit_expr_closure(self, closure);
        }
    }

    fn visit_item(&mut self, item: &'a Item) {
        if let Item::Static(item) = item {
            self.errors.push(
                &item.ident,
                "a `static` is shared by the attempts on one machine and lost with it: \
                 keep state in a `beldi::Table`, and what never changes in a `const`",
            );
        }
    }
}

impl Lint<'_> {
    fn check_path(&mut self, words: &[Ident], place: impl ToTokens) {
        if let Some(advice) = advice(words) {
            self.errors.push(place, advice);
        }
    }

    fn check_parallel(&mut self, path: &Path) {
        let name = path.segments.last().map(|segment| &segment.ident);
        let text = if name.is_some_and(|name| name.to_string().starts_with("select")) {
            "a race has no winner that a replay could repeat: wait for all branches with \
             `beldi::join(a, b)` or `beldi::join_all(..)`, and choose then"
        } else {
            "branches side by side are numbered by their position: \
             write `beldi::join(a, b)` or `beldi::join_all(..)`"
        };
        self.errors.push(path, text);
    }

    fn check_work(&mut self, closure: &ExprClosure) {
        let ExprClosure { inputs_begin, inputs, inputs_end, .. } = closure;
        self.errors.push(
            quote! { #inputs_begin #inputs #inputs_end },
            "the work of an effect is an async closure: write `async |key| { .. }`",
        );
    }

    fn effect_in_txn(&mut self, call: &ExprCall) {
        self.errors.push(
            &call.func,
            "an effect cannot be part of a transaction, for it cannot be taken back when that aborts: \
             do it before or after, or `send` an SSF that does it, which begins with the commit",
        );
    }

    fn hidden_await(&mut self, word: &Ident) {
        self.errors.push(
            word,
            "an await inside a macro call cannot be numbered; \
             bind it first: `let value = ….await;` and pass `value`",
        );
    }
}

/// A path found in the tokens of a macro call, to be underlined.
struct Words<'a>(&'a [Ident]);

impl ToTokens for Words<'_> {
    fn to_tokens(&self, tokens: &mut proc_macro2::TokenStream) {
        tokens.extend(self.0.iter().map(ToTokens::to_token_stream));
    }
}

/// Whether this calls the facade's function of that name, imported or not.
fn is_call_of(call: &ExprCall, name: &str) -> bool {
    let Expr::Path(function) = &*call.func else { return false };
    let words: Vec<_> = function.path.segments.iter().map(|segment| &segment.ident).collect();
    match words.as_slice() {
        [last] => *last == name,
        [origin, last] => *last == name && *origin == "beldi",
        _ => false,
    }
}

/// The closure in `effect(name, |key| async { .. })`. Its block is meant for the outside world, where
/// only async closures are.
pub(crate) fn plain_work_of_effect(call: &ExprCall) -> Option<&ExprClosure> {
    let (Expr::Path(function), Some(Expr::Closure(work))) = (&*call.func, call.args.last()) else {
        return None;
    };
    let is_effect = function.path.segments.last().is_some_and(|name| name.ident == "effect");
    let is_plain = work.asyncness.is_none() && matches!(&*work.body, Expr::Async(_));
    (is_effect && is_plain).then_some(work)
}

/// Whether a macro polls several futures side by side. Known by the names and crates that everyone
/// uses; `my::join!` is another.
pub(crate) fn is_parallel(path: &Path) -> bool {
    let words: Vec<_> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
    let Some((name, origin)) = words.split_last() else {
        return false;
    };
    let known = ["tokio", "futures", "futures_util", "futures_lite"];
    matches!(name.as_str(), "select" | "select_biased" | "join" | "try_join")
        && origin.first().is_none_or(|origin| known.contains(&origin.as_str()))
}
