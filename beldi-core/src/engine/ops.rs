//! The steps a handler can take, each: recall it from the log, or do it and note what came of it.
//!
//! | step | before it | after it |
//! |---|---|---|
//! | get, get_many, scan, now | – | observed |
//! | put, delete, update | log what was observed, register the root | outcome noted |
//! | call of a read-only SSF | – | observed; in a transaction, what it observed but for items is logged |
//! | call of another SSF | log what was observed | its own last observations are logged; outcome noted |
//! | send, effect | log what was observed, register the root | outcome noted; observed |
//!
//! `uuid` and `random` store nothing: they are computed from the instance and the path.
//!
//! In a transaction or a snapshot, [`txn`](super::txn) has other ways for those that touch items.

use std::sync::Arc;

use futures_util::future::{pending, try_join_all};

use super::sizes::{changed, small_enough};
use super::txn::{Context, refuse};
use super::what::{What, digest};
use super::{Handler, Instance, Scope, Scoped, Service, Stop};
use crate::error::{Error, Reason};
use crate::limits::MAX_CALL_DEPTH;
use crate::path::Path;
use crate::protocol::daal::{self, Change, Item, Refusal, Written};
use crate::protocol::journal::{Entry, Kind};
use crate::protocol::lock::Holder;
use crate::protocol::{raw, send, txn};
use crate::store::Condition;
use crate::value::Value;

/// A claimed step: whose, where, and in what.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) instance: Arc<Instance>,
    pub(crate) path: Path,
    pub(crate) context: Context,
}

/// What a write does, with the name it is logged under.
pub(crate) enum Write {
    Put(Value),
    Delete,
}

/// What the closure of an update makes of the old value.
pub(crate) type Changing<'a> =
    &'a mut (dyn FnMut(Option<Value>) -> Result<(Option<Value>, Value), Reason> + Send);

impl Step {
    /// The step of a branch of this one.
    pub(crate) fn branch(&self, position: u32) -> Self {
        Self { path: self.path.child(position), ..self.clone() }
    }

    /// The step, in another context.
    pub(super) fn within(self, context: Context) -> Self {
        Self { context, ..self }
    }

    /// The future, its steps numbered below this one.
    pub(crate) fn scoped<F: Future>(&self, inner: F) -> Scoped<F> {
        let Self { instance, path, context } = self.clone();
        Scoped::new(Scope::new(instance, path, context), inner)
    }

    /// Ends the run here. The handler is dropped while it waits for this.
    pub(crate) async fn stop(&self, stop: Stop) -> ! {
        let stop = match stop {
            Stop::Park(reason) => Stop::Park(reason.at(&self.path)),
            other => other,
        };
        self.instance.attempt.stop(stop);
        pending().await
    }

    /// The value, or the end of the run with the reason for which there is none.
    pub(crate) async fn check<T>(&self, checked: Result<T, Reason>) -> T {
        match checked {
            Ok(value) => value,
            Err(reason) => self.stop(Stop::Park(reason)).await,
        }
    }

    pub(crate) async fn get(&self, table: &str, key: &str) -> Option<Value> {
        match &self.context {
            Context::Txn(within) => return self.or_stop(within.get(self, table, key).await).await,
            Context::Snapshot(_) => {
                return self.get_many(table, &[key.to_owned()]).await.pop().flatten();
            }
            Context::Plain => {}
        }
        let what = What::new(Kind::Get, &[table, key]);
        let read = async { Ok(list(self.read(table, key).await?.into_iter())) };
        match self.observe(&what, read).await {
            Value::List(mut found) => found.pop(),
            _ => None,
        }
    }

    pub(crate) async fn get_many(&self, table: &str, keys: &[String]) -> Vec<Option<Value>> {
        match &self.context {
            Context::Txn(within) => {
                return self.or_stop(within.get_many(self, table, keys).await).await;
            }
            Context::Snapshot(seen) => {
                return self.or_stop(seen.get_many(self, table, keys).await).await;
            }
            Context::Plain => {}
        }
        let parts: Vec<&str> = std::iter::once(table).chain(keys.iter().map(|k| &**k)).collect();
        let what = What::new(Kind::GetMany, &parts);
        let read = async {
            let values = try_join_all(keys.iter().map(|key| self.read(table, key))).await?;
            Ok(list(values.into_iter().map(|value| list(value.into_iter()))))
        };
        let found = items(self.observe(&what, read).await);
        found.into_iter().map(|value| items(value).pop()).collect()
    }

    pub(crate) async fn scan(&self, table: &str, prefix: &str) -> Vec<(String, Value)> {
        let what = What::new(Kind::Scan, &[table, prefix]);
        let read = async {
            if !matches!(self.context, Context::Plain) {
                let why = "no lock can be had on a row that is not there yet, so another \
                           transaction could add one: use `get_many` on keys you know, or scan before";
                return Err(refuse(&what.to_string(), why));
            }
            let rows = daal::scan(self.store(), table, prefix).await?;
            let rows = rows.into_iter().map(async |(key, row)| {
                let (value, _) =
                    txn::current(self.service(), self.store(), table, &key, row).await?;
                Ok::<_, Stop>(value.map(|value| Value::List(vec![key.into(), value])))
            });
            Ok(list(try_join_all(rows).await?.into_iter().flatten()))
        };
        let rows = items(self.observe(&what, read).await).into_iter();
        rows.filter_map(|row| match <[Value; 2]>::try_from(items(row)) {
            Ok([Value::Text(key), value]) => Some((key, value)),
            _ => None,
        })
        .collect()
    }

    /// The value of an item, whoever holds it.
    async fn read(&self, table: &str, key: &str) -> Result<Option<Value>, Stop> {
        let row = daal::read(self.store(), table, key).await?;
        if self.is_raw() {
            return Ok(daal::value_of(row));
        }
        Ok(txn::current(self.service(), self.store(), table, key, row).await?.0)
    }

    pub(crate) async fn write(
        &self,
        table: &str,
        key: &str,
        write: Write,
        when: Option<&Condition>,
    ) -> bool {
        if let Context::Txn(within) = &self.context {
            return self.or_stop(within.write(self, table, key, write, when).await).await;
        }
        let (kind, change) = match write {
            Write::Put(value) => (Kind::Put, Change::Put(value)),
            Write::Delete => (Kind::Delete, Change::Delete),
        };
        let what = What::new(kind, &[table, key]);
        let mut tidy = false;
        let write = async {
            if let Change::Put(value) = &change {
                small_enough(table, key, value).map_err(Stop::Park)?;
            }
            if self.is_raw() {
                return Ok(raw::write(self.store(), table, key, change, when).await?.into());
            }
            let mark = self.instance.id.mark(&self.path, kind.word(), &what.text);
            let mut waiting = self.waiting();
            loop {
                let item = self.item(table, key);
                match daal::write(&item, mark, change.clone(), when).await {
                    Err(Refusal::Locked(lock)) => {
                        Box::pin(waiting.out(&item, Some(*lock), None)).await?;
                    }
                    written => {
                        let Written { outcome, is_tidy } = written?;
                        tidy = is_tidy;
                        return Ok(outcome.into());
                    }
                }
            }
        };
        let written = self.effect_on_row(&what, write).await == Value::Bool(true);
        self.leave(table, key, tidy);
        written
    }

    /// Notes in what state a step leaves an item; what was logged before may be in any.
    fn leave(&self, table: &str, key: &str, tidy: bool) {
        if !tidy && !self.is_raw() {
            self.instance.attempt.holdings.is_untidy(table, key);
        }
    }

    pub(crate) async fn update(&self, table: &str, key: &str, changing: Changing<'_>) -> Value {
        if let Context::Txn(within) = &self.context {
            return self.or_stop(within.update(self, table, key, changing).await).await;
        }
        let what = What::new(Kind::Update, &[table, key]);
        let mut tidy = false;
        let write = async {
            let mut change = |old: Option<Value>| {
                let (new, result) = changed(table, key, old.clone(), changing)?;
                let change = match new {
                    unchanged if unchanged == old => Change::Keep,
                    Some(value) => Change::Put(value),
                    None => Change::Delete,
                };
                Ok((change, result))
            };
            if self.is_raw() {
                return Ok(raw::update(self.store(), table, key, &mut change).await?);
            }
            let mark = self.instance.id.mark(&self.path, Kind::Update.word(), &what.text);
            let mut waiting = self.waiting();
            loop {
                let item = self.item(table, key);
                match daal::update(&item, mark, &mut change).await {
                    Err(Refusal::Locked(lock)) => {
                        Box::pin(waiting.out(&item, Some(*lock), None)).await?;
                    }
                    updated => {
                        let Written { outcome, is_tidy } = updated?;
                        tidy = is_tidy;
                        return Ok(outcome);
                    }
                }
            }
        };
        let outcome = self.effect_on_row(&what, write).await;
        self.leave(table, key, tidy);
        outcome
    }

    pub(crate) async fn call(&self, ssf: &str, input: Value) -> Value {
        let what = What::new(Kind::Call, &[ssf, &digest(&input)]);
        let handler = self.service().handler(ssf);
        if let Context::Txn(_) = self.context {
            let call = async {
                self.instance.before_call(&self.path).await?;
                self.run_callee(handler, input).await
            };
            return self.or_stop(call.await).await;
        }
        if handler.as_ref().is_ok_and(|handler| handler.read_only) || self.is_raw() {
            return self.observe(&what, self.run_callee(handler, input)).await;
        }
        // Any attempt that calls again gets the same reply, so it needs no log of the caller's.
        let call = async {
            self.may_have_effects(&what)?;
            self.instance.before_call(&self.path).await?;
            self.run_callee(handler, input).await
        };
        self.log(&what, Instance::effected, call).await
    }

    /// How deep a callee is, here or in another service.
    pub(super) fn one_deeper(&self, ssf: &str) -> Result<u32, Stop> {
        let depth = self.instance.depth.saturating_add(1);
        if depth <= MAX_CALL_DEPTH {
            return Ok(depth);
        }
        let text = format!(
            "calls are nested more than {MAX_CALL_DEPTH} deep at `{ssf}`: end the recursion, or `send`"
        );
        Err(bug("call_depth", text))
    }

    async fn run_callee(
        &self,
        handler: Result<&Handler, Error>,
        input: Value,
    ) -> Result<Value, Stop> {
        let handler = handler.map_err(|error| bug("unknown_ssf", error.to_string()))?;
        let ssf = handler.name;
        let depth = self.one_deeper(ssf)?;
        let id = self.instance.id.callee(&self.path, ssf);
        let callee = Instance::new(Arc::clone(&self.instance.attempt), id, handler, depth)?;
        let callee = Arc::new(callee);
        let scope = Scope::new(Arc::clone(&callee), Path::default(), self.context.clone());
        let body = Scoped::new(Arc::clone(&scope), (handler.run)(input));
        let reply = body.await.map_err(Stop::Park)?;
        // In a transaction the caller logs no reply: what led to it must be logged here.
        let is_logged = !handler.read_only || matches!(self.context, Context::Txn(_));
        if is_logged && !self.is_raw() {
            callee.before_reply(&scope.claim()).await?;
        }
        if !handler.read_only && !self.is_raw() {
            self.instance.attempt.release_all(Some(id)).await?;
        }
        Ok(reply)
    }

    pub(crate) async fn send(&self, ssf: &str, input: Value) {
        let what = What::new(Kind::Send, &[ssf, &digest(&input)]);
        let service = &self.instance.attempt.service;
        let receiver = || {
            let handler = service.handler(ssf);
            let handler = handler.map_err(|error| bug("unknown_ssf", error.to_string()))?;
            let request_key = send::request_key(self.instance.id.callee(&self.path, ssf));
            service.new_intent(request_key, handler, input.clone()).map_err(Stop::Park)
        };
        if let Context::Txn(within) = &self.context {
            let mut receiver = self.or_stop(receiver()).await;
            // Its key has the epoch of the transaction.
            let origin = &within.transaction.txn.service;
            receiver.caller = (*origin != service.name).then(|| origin.clone());
            within.layer.staged().sends.push(receiver);
            return;
        }
        let send = async {
            let receiver = receiver()?;
            #[cfg(feature = "testing")]
            if self.is_raw() {
                tokio::spawn(super::run_raw(Arc::clone(service), ssf.to_owned(), receiver.input));
                return Ok(Value::Null);
            }
            send::send(&service.store, &receiver).await?;
            service.announce(receiver.request_key);
            Ok(Value::Null)
        };
        self.effect_on_row(&what, send).await;
    }

    pub(crate) async fn now(&self) -> u64 {
        let read = async { Ok(self.instance.attempt.service.outside.now().into()) };
        let now = self.observe(&What::new(Kind::Now, &[]), read).await;
        now.as_int().and_then(|now| u64::try_from(now).ok()).unwrap_or(0)
    }

    /// Bytes that only this step of this instance has, the same in every attempt.
    pub(crate) fn entropy(&self, kind: &str) -> [u8; 16] {
        self.instance.id.entropy(&self.path, kind)
    }

    /// Runs `act` at least once, with a key that stays the same, and logs what it returned.
    pub(crate) async fn effect<F>(&self, name: &str, act: impl FnOnce(String) -> F) -> Value
    where
        F: Future<Output = Result<Value, Reason>>,
    {
        let what = What::new(Kind::Effect, &[name]);
        let act = async {
            if !matches!(self.context, Context::Plain) {
                let why = "it cannot be taken back when the transaction aborts: do it before or \
                           after, or `send` an SSF that does it, which begins with the commit";
                return Err(refuse(&what.to_string(), why));
            }
            self.make_way(&what).await?;
            let key = self.instance.id.mark(&self.path, Kind::Effect.word(), name);
            act(key.to_string()).await.map_err(Stop::Park)
        };
        self.observe(&what, act).await
    }

    /// A step whose outcome has to be logged before the next effect.
    pub(super) async fn observe(
        &self,
        what: &What,
        act: impl Future<Output = Result<Value, Stop>>,
    ) -> Value {
        self.log(what, Instance::observed, act).await
    }

    /// A step whose outcome is in the row it changes.
    pub(super) async fn effect_on_row(
        &self,
        what: &What,
        act: impl Future<Output = Result<Value, Stop>>,
    ) -> Value {
        let effect = async {
            self.make_way(what).await?;
            act.await
        };
        self.log(what, Instance::effected, effect).await
    }

    /// Recalls the step, or takes it and notes what came of it.
    async fn log(
        &self,
        what: &What,
        note: fn(&Instance, Entry),
        act: impl Future<Output = Result<Value, Stop>>,
    ) -> Value {
        let outcome = async {
            if self.is_raw() {
                return act.await;
            }
            if let Some(value) = self.recall(what)? {
                return Ok(value);
            }
            let value = act.await?;
            note(&self.instance, self.entry(what, value.clone()));
            Ok(value)
        };
        self.or_stop(outcome.await).await
    }

    /// The outcome, or the end of the run.
    pub(super) async fn or_stop<T>(&self, outcome: Result<T, Stop>) -> T {
        match outcome {
            Ok(outcome) => outcome,
            Err(stop) => self.stop(stop).await,
        }
    }

    /// What an effect has to wait for.
    pub(super) async fn make_way(&self, what: &What) -> Result<(), Stop> {
        if self.is_raw() {
            return Ok(());
        }
        self.may_have_effects(what)?;
        self.instance.before_effect(&self.path).await
    }

    pub(super) fn recall(&self, what: &What) -> Result<Option<Value>, Stop> {
        self.instance.recall(&self.path, what.fingerprint(), what)
    }

    pub(super) fn entry(&self, what: &What, value: Value) -> Entry {
        Entry { path: self.path.clone(), fingerprint: what.fingerprint(), value }
    }

    /// The types say so too, where they can see it.
    pub(super) fn may_have_effects(&self, what: &What) -> Result<(), Stop> {
        if !self.instance.read_only {
            return Ok(());
        }
        let ssf = self.instance.ssf;
        let text = format!("`{ssf}` is `read_only`, but asks for {what}; take `read_only` away");
        Err(bug("read_only", text))
    }

    pub(super) fn is_raw(&self) -> bool {
        self.instance.attempt.is_raw()
    }

    /// Whether this step is taken in the service of that name.
    pub(crate) fn is_in(&self, service: &str) -> bool {
        self.service().name == service
    }

    pub(super) fn service(&self) -> &Service {
        &self.instance.attempt.service
    }

    fn store(&self) -> &dyn crate::store::Store {
        &self.service().store
    }

    /// An item, as a writer of this root sees it.
    pub(super) fn item<'a>(&'a self, table: &'a str, key: &'a str) -> Item<'a> {
        let holds = self.instance.attempt.holdings.held(table, key);
        let own_locks = holds.into_iter().map(Holder::Instance).collect();
        Item { own_locks, ..self.service().item(table, key) }
    }
}

pub(super) fn list(values: impl Iterator<Item = Value>) -> Value {
    Value::List(values.collect())
}

fn items(value: Value) -> Vec<Value> {
    match value {
        Value::List(items) => items,
        _ => Vec::new(),
    }
}

pub(super) fn bug(code: &str, text: String) -> Stop {
    Stop::Park(Reason::new(code, text))
}
