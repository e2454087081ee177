//! Invocations of every kind, as Lambda delivers them, on a store in memory.

mod concurrency;
mod failures;
mod http;
mod internal;
mod order;
mod payloads;
mod plain;
mod records;
mod shop;
mod smuggling;
