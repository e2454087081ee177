//! Which of the user's attributes goes to which of the generated items.

use syn::Attribute;

use crate::model::Ssf;

/// The items that an SSF expands to and that carry attributes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Call,
    Handler,
    Marker,
}

/// The attributes of an SSF that belong to one of its items.
pub(crate) fn of(ssf: &Ssf, place: Place) -> impl Iterator<Item = &Attribute> {
    let has_handler = ssf.function.body.is_some();
    ssf.function.attrs.iter().filter(move |attr| belongs(attr, place, has_handler))
}

fn belongs(attr: &Attribute, place: Place, has_handler: bool) -> bool {
    let is = |names: &[&str]| names.iter().any(|name| attr.path().is_ident(name));
    if is(&["doc"]) {
        return place != Place::Handler;
    }
    if is(&["allow", "warn", "deny", "forbid"]) {
        return place != Place::Marker;
    }
    if is(&["deprecated", "must_use"]) || !has_handler {
        return place == Place::Call;
    }
    // An `expect` wants to be fulfilled everywhere, and a macro such as `tracing::instrument` wants
    // a body.
    place == Place::Handler
}
