//! Every rule about a function's signature and the options beside it, with its message. A message
//! says what is wrong and what to write.

use syn::ext::IdentExt;
use syn::{FnArg, LitStr, PatType, ReturnType, Safety, Signature, Type};

use crate::args::Options;
use crate::errors::Errors;
use crate::item::Function;
use crate::pipeline::Word;
use crate::types::{Borrowed, owned_form, unnamed};

/// Whether the signature is one that the attribute can expand, were the right words before `fn`.
pub(crate) fn check_signature(
    word: Word,
    is_ssf: bool,
    sig: &Signature,
    errors: &mut Errors,
) -> bool {
    check_async(word, sig, errors);
    check_qualifiers(word, sig, errors);
    let before = errors.count();
    check_variadic(word, sig, errors);
    check_output_has_a_name(word, &sig.output, errors);
    if is_ssf {
        check_receiver(sig, errors);
        check_generics(sig, errors);
        check_at_most_one_input(sig, errors);
        check_inputs(sig, errors);
        check_output_is_owned(&sig.output, errors);
    }
    errors.count() == before
}

/// What the options of an SSF say must fit the function.
pub(crate) fn check_options(
    word: Word,
    function: &Function,
    options: &Options,
    errors: &mut Errors,
) {
    check_body(word, function, options, errors);
    match &options.name {
        Some(name) => check_wire_name("name", name, errors),
        None => check_own_name(&function.sig, errors),
    }
    if let Some(service) = &options.service {
        check_wire_name("service", service, errors);
    }
}

/// What a transaction has to be beside an SSF or a part; whether it returns what one can.
pub(crate) fn check_txn(function: &Function, options: &Options, errors: &mut Errors) -> bool {
    if let (Some(part), Some(name)) = (&options.part, &options.name) {
        errors.push(name, format_args!("a `{part}` is not called over the wire and needs no name"));
    }
    let is_no_result = match &function.sig.output {
        ReturnType::Default => true,
        ReturnType::Type(_, ty) => is_certainly_no_result(ty),
    };
    if is_no_result && !options.read_only {
        let message = "a transaction returns a `Result`: `Ok` commits, `Err` aborts; one that only \
                       reads may be `read_only` and return anything";
        match &function.sig.output {
            ReturnType::Default => errors.push(&function.sig.ident, message),
            ReturnType::Type(_, ty) => errors.push(ty, message),
        }
        return false;
    }
    true
}

/// A path may be an alias of `Result`; what is built into the language is not.
fn is_certainly_no_result(ty: &Type) -> bool {
    const BUILT_IN: [&str; 16] = [
        "bool", "char", "f32", "f64", "i8", "i16", "i32", "i64", "i128", "u8", "u16", "u32", "u64",
        "u128", "usize", "String",
    ];
    match ty {
        Type::Path(path) => path
            .path
            .get_ident()
            .is_some_and(|name| BUILT_IN.iter().any(|built_in| name == built_in)),
        Type::Tuple(_) | Type::Array(_) | Type::Slice(_) | Type::Reference(_) => true,
        _ => false,
    }
}

fn check_async(word: Word, sig: &Signature, errors: &mut Errors) {
    if sig.asyncness.is_none() {
        let message =
            format_args!("{} must be an `async fn`: write `async fn {}`", word.noun(), sig.ident);
        errors.push(sig.fn_token, message);
    }
}

fn check_qualifiers(word: Word, sig: &Signature, errors: &mut Errors) {
    let noun = word.noun();
    if let Some(constness) = &sig.constness {
        errors.push(constness, format_args!("{noun} cannot be `const`: remove the word"));
    }
    if let Safety::Unsafe(_) | Safety::Safe(_) = &sig.safety {
        errors.push(
            sig.safety.clone(),
            format_args!(
                "{noun} is called by the engine, which promises nothing: \
                 remove the word and keep unsafe code in a function of its own"
            ),
        );
    }
    if let Some(abi) = &sig.abi {
        errors.push(abi, format_args!("{noun} has no foreign calling convention: remove `extern`"));
    }
}

fn check_variadic(word: Word, sig: &Signature, errors: &mut Errors) {
    if let Some(variadic) = &sig.variadic {
        errors.push(
            variadic,
            format_args!("{} has a fixed list of parameters: take a `Vec`", word.noun()),
        );
    }
}

fn check_output_has_a_name(word: Word, output: &ReturnType, errors: &mut Errors) {
    let ReturnType::Type(_, ty) = output else {
        return;
    };
    for unnamed in unnamed(ty) {
        errors.push(
            unnamed,
            format_args!(
                "{} returns a type with a name: write it instead of `impl Trait`",
                word.noun()
            ),
        );
    }
}

fn check_receiver(sig: &Signature, errors: &mut Errors) {
    if let Some(receiver) = sig.receiver() {
        errors.push(
            receiver,
            "an SSF is a free function: \
             move it out of the `impl` and take what it needs as its input",
        );
    }
}

fn check_generics(sig: &Signature, errors: &mut Errors) {
    let generics = &sig.generics;
    if !generics.params.is_empty() {
        errors.push(
            generics,
            "an SSF cannot be generic: its input and output types are part of its name on the \
             wire; write the types, or make it a `#[beldi::part]`",
        );
    } else if let Some(clause) = &generics.where_clause {
        errors.push(clause, "an SSF has no `where` clause: its types are fixed; remove it");
    }
}

fn check_at_most_one_input(sig: &Signature, errors: &mut Errors) {
    if let Some(extra) = typed_inputs(sig).nth(1) {
        errors.push(extra, "an SSF takes at most one input: group several into a struct");
    }
}

fn check_inputs(sig: &Signature, errors: &mut Errors) {
    for input in typed_inputs(sig) {
        for unnamed in unnamed(&input.ty) {
            errors
                .push(unnamed, "an SSF takes a type with a name: write it instead of `impl Trait`");
        }
        check_owned("takes its input by value, for it comes over the wire", &input.ty, errors);
    }
}

fn check_output_is_owned(output: &ReturnType, errors: &mut Errors) {
    if let ReturnType::Type(_, ty) = output {
        check_owned("returns owned data, for it goes over the wire", ty, errors);
    }
}

fn check_owned(rule: &str, ty: &Type, errors: &mut Errors) {
    let borrowed = Borrowed::within(ty);
    for reference in borrowed.references {
        let owned = owned_form(&reference.elem);
        errors.push(reference, format_args!("an SSF {rule}: write `{owned}`"));
    }
    for lifetime in borrowed.lifetimes {
        errors.push(lifetime, format_args!("an SSF {rule}: use a type without a lifetime"));
    }
}

fn check_body(word: Word, function: &Function, options: &Options, errors: &mut Errors) {
    match (&function.body, &options.service) {
        (Some(_), Some(service)) => errors.push(
            service,
            "a function of another service has no body here: \
             end its signature with `;`, or remove `service`",
        ),
        (None, None) if word == Word::Txn => errors.push(
            &function.sig,
            "a transaction needs a body; for the typed client of a function that another service \
             runs, which decides itself whether that is a transaction, write \
             `#[beldi::ssf(service = \"..\")]`",
        ),
        (None, None) => errors.push(
            &function.sig,
            "an SSF needs a body; for the typed client of a function that another service runs, \
             write `#[beldi::ssf(service = \"..\")]`",
        ),
        _ => {}
    }
}

fn check_wire_name(option: &str, value: &LitStr, errors: &mut Errors) {
    if !is_wire_name(&value.value()) {
        errors.push(
            value,
            format_args!(
                "`{option}` must be made of ASCII letters, digits, `_` and `-`, at least one"
            ),
        );
    }
}

fn check_own_name(sig: &Signature, errors: &mut Errors) {
    if !is_wire_name(&sig.ident.unraw().to_string()) {
        errors.push(
            &sig.ident,
            "the name of an SSF on the wire is made of ASCII letters, digits, `_` and `-`: \
             give it one with `#[beldi::ssf(name = \"..\")]`",
        );
    }
}

fn is_wire_name(name: &str) -> bool {
    let allowed = |char: char| char.is_ascii_alphanumeric() || matches!(char, '_' | '-');
    !name.is_empty() && name.chars().all(allowed)
}

fn typed_inputs(sig: &Signature) -> impl Iterator<Item = &PatType> {
    sig.inputs.iter().filter_map(|input| match input {
        FnArg::Typed(input) => Some(input),
        FnArg::Receiver(_) => None,
    })
}
