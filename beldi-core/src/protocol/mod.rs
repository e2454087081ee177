//! The protocols, one file a rule. They speak names, paths and bytes, keep no state between two
//! calls, and know only what they read from the store.
//!
//! | file | rule | what it guarantees |
//! |---|---|---|
//! | [`daal`] | a write carries its mark | a step changes its item once, whatever is delivered twice or late |
//! | [`spill`] | copy first, then swing | a full head loses no mark |
//! | [`journal`] | log before effect | all attempts of an instance see the same observations |
//! | [`intent`] | registered before the first effect | a root that changed anything will finish, and has one result |
//! | [`txn`] | one decision a try | a transaction happens whole or not at all, and nobody sees half of it |
//! | [`lock`] | a lock names its holder | whoever meets it can tell what becomes of the item |
//! | [`prepare`] | the first record of a callee counts | a service takes part in another's transaction |
//! | [`send`] | put-if-absent of the receiver's intent | a send starts its receiver once |
//! | [`callback`] | one result, behind a token | a callee in another service brings what its caller did not wait for |
//! | [`horizon`] | nothing unfinished is below it | what is older can go, and stays away |
//! | [`prune`] | marks go behind a fence | a late write is refused without its mark |
//! | [`recycle`] | rows are emptied, then removed | a late attempt cannot put them again |
//!
//! Names such as P1 or (e) are the conditions of `docs/bounds.md`.
//!
//! A call inside the service has no row of its own: it is made under an id that every attempt
//! computes alike ([`Id::callee`](crate::id::Id::callee)). The reply of a `read_only` SSF is an
//! observation of its caller. Any other SSF logs what it observed last in a slot of its own before
//! it replies: whoever calls again gets that reply, and no attempt of it can still have an effect
//! that belongs to another.

pub(crate) mod callback;
pub(crate) mod daal;
pub(crate) mod horizon;
pub(crate) mod intent;
pub(crate) mod journal;
pub(crate) mod layout;
pub(crate) mod lock;
pub(crate) mod prepare;
pub(crate) mod prune;
pub(crate) mod raw;
pub(crate) mod recycle;
pub(crate) mod send;
pub(crate) mod spill;
pub(crate) mod turn;
pub(crate) mod txn;
