//! Stand-in for `beldi::on_demand` until it is there.
#![allow(missing_docs, missing_debug_implementations, unused, unreachable_pub)]
use beldi::{Reason, Result};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use serde_json::Value;

#[derive(Clone)]
pub struct SharedKey;
impl SharedKey {
    pub fn new(_: &str) -> std::result::Result<Self, beldi::Error> {
        Ok(SharedKey)
    }
}
#[derive(Debug)]
pub enum Unreachable {
    NoAnswer(String),
    Undeliverable(String),
}
pub trait Starter: Send + Sync + 'static {
    fn start(&self, key: &str) -> BoxFuture<'_, Result<(), Unreachable>>;
}
pub trait Transport: Send + Sync + 'static {
    fn ask(&self, message: Vec<u8>) -> BoxFuture<'_, Result<Vec<u8>, Unreachable>>;
}
pub struct OnDemand;
pub struct Invocation;
pub struct Answer {
    pub key: String,
    pub output: std::result::Result<Value, Value>,
}
pub enum Progress {
    Done,
    Parked(Reason),
    Unfinished(String),
}
pub struct Round {
    pub begun: usize,
    pub waiting: usize,
    pub settled: usize,
    pub damaged: usize,
}
impl OnDemand {
    pub fn connect(&self, service: &str, key: SharedKey, transport: impl Transport) {}
    pub fn start_with(&self, starter: impl Starter) {}
    pub fn invocation(&self, deadline: Option<u64>) -> Invocation {
        Invocation
    }
    pub fn name(&self) -> &str {
        ""
    }
    pub fn ssfs(&self) -> impl Iterator<Item = &'static str> {
        std::iter::empty()
    }
}
impl Invocation {
    pub async fn call(&self, ssf: &str, key: Option<String>, input: &[u8]) -> Result<Answer> {
        todo!()
    }
    pub async fn register(&self, ssf: &str, key: Option<String>, input: &[u8]) -> Result<String> {
        todo!()
    }
    pub async fn follow(&self, key: &str) -> Result<Progress> {
        todo!()
    }
    pub async fn http(&self, request: http::Request<Bytes>) -> http::Response<Bytes> {
        todo!()
    }
    pub async fn receive(&self, message: &[u8]) -> Result<Vec<u8>> {
        todo!()
    }
    pub async fn collect(&self) -> Result<Round> {
        todo!()
    }
    pub async fn collect_garbage(&self) -> Result<beldi::Collected> {
        todo!()
    }
    pub async fn end(self) {}
}
