//! What the attributes expand from: functions that passed the [`rules`](crate::rules).

use proc_macro2::Ident;
use quote::format_ident;
use syn::ext::IdentExt;
use syn::{FnArg, LitStr, Pat, ReturnType, Safety, Signature, Token, Type, parse_quote_spanned};

use crate::args::Options;
use crate::item::Function;

/// A function that is called over the wire.
pub(crate) struct Ssf {
    pub(crate) function: Function,
    pub(crate) name: String,
    pub(crate) service: Option<LitStr>,
    pub(crate) read_only: bool,
    pub(crate) input: Option<Input>,
    pub(crate) output: Type,
    /// The code version of the handler.
    pub(crate) code: u64,
    /// Whether the body is one transaction.
    pub(crate) is_txn: bool,
}

/// The one parameter: its type, and a name for it even where the handler takes it apart.
pub(crate) struct Input {
    pub(crate) name: Ident,
    pub(crate) ty: Type,
}

/// A helper that runs as steps of whoever awaits it.
pub(crate) struct Part {
    pub(crate) function: Function,
    pub(crate) output: Type,
    /// Whether the body is one transaction.
    pub(crate) is_txn: bool,
}

impl Ssf {
    pub(crate) fn new(mut function: Function, options: Options, code: u64, is_txn: bool) -> Self {
        strip_qualifiers(&mut function.sig);
        function.sig.asyncness = Some(Token![async](function.sig.fn_token.span));
        let own_name = || function.sig.ident.unraw().to_string();
        Self {
            name: options.name.map_or_else(own_name, |name| name.value()),
            service: options.service.filter(|_| function.body.is_none()),
            read_only: options.read_only,
            input: function.sig.inputs.first().and_then(Input::new),
            output: output(&function.sig),
            code,
            is_txn,
            function,
        }
    }
}

impl Input {
    fn new(argument: &FnArg) -> Option<Self> {
        let FnArg::Typed(argument) = argument else {
            return None;
        };
        let name = match &*argument.pat {
            Pat::Ident(pattern) => pattern.ident.clone(),
            _ => format_ident!("input"),
        };
        let ty = (*argument.ty).clone();
        Some(Self { name, ty })
    }
}

impl Part {
    pub(crate) fn new(mut function: Function, is_txn: bool) -> Self {
        strip_qualifiers(&mut function.sig);
        function.sig.variadic = None;
        let output = output(&function.sig);
        Self { function, output, is_txn }
    }
}

/// Takes away the words before `fn`: `async`, and those that are mistakes.
fn strip_qualifiers(sig: &mut Signature) {
    sig.constness = None;
    sig.asyncness = None;
    sig.safety = Safety::Default;
    sig.abi = None;
}

fn output(sig: &Signature) -> Type {
    match &sig.output {
        ReturnType::Default => parse_quote_spanned! {sig.paren_token.span.close()=> () },
        ReturnType::Type(_, ty) => (**ty).clone(),
    }
}
