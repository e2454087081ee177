//! The steps a handler can take, each: recall it from the log, or do it and note what came of it.
//!
//! | step | before it | after it |
//! |---|---|---|
//! | get, get_many, scan, now | – | observed |
//! | put, delete, update | log what was observed, register the root | outcome noted |
//! | call of a read-only SSF | – | observed |
//! | call of another SSF | log what was observed | its own last observations are logged; outcome noted |
//! | send, effect | log what was observed, register the root | outcome noted; observed |
//!
//! `uuid` and `random` store nothing: they are computed from the instance and the path.

use std::sync::Arc;

use futures_util::future::{pending, try_join_all};

use super::what::{What, digest};
use super::{Handler, Instance, Scope, Scoped, Stop};
use crate::error::{Error, Reason};
use crate::limits::{MAX_CALL_DEPTH, MAX_UPDATE_RESULT, MAX_VALUE};
use crate::path::Path;
use crate::protocol::daal::{self, Change, Item};
use crate::protocol::journal::{Entry, Kind};
use crate::protocol::{raw, send};
use crate::store::Condition;
use crate::value::Value;

/// A claimed step: whose, and where.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) instance: Arc<Instance>,
    pub(crate) path: Path,
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
        Self { instance: Arc::clone(&self.instance), path: self.path.child(position) }
    }

    /// The future, its steps numbered below this one.
    pub(crate) fn scoped<F: Future>(&self, inner: F) -> Scoped<F> {
        Scoped::new(Scope::new(Arc::clone(&self.instance), self.path.clone()), inner)
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
        let what = What::new(Kind::Get, &[table, key]);
        let read = async {
            let value = daal::read(self.store(), table, key).await?;
            Ok(Value::List(value.into_iter().collect()))
        };
        match self.observe(&what, read).await {
            Value::List(mut found) => found.pop(),
            _ => None,
        }
    }

    pub(crate) async fn get_many(&self, table: &str, keys: &[String]) -> Vec<Option<Value>> {
        let parts: Vec<&str> = std::iter::once(table).chain(keys.iter().map(|k| &**k)).collect();
        let what = What::new(Kind::GetMany, &parts);
        let read = async {
            let reads = keys.iter().map(|key| daal::read(self.store(), table, key));
            let values = try_join_all(reads).await?;
            Ok(list(values.into_iter().map(|value| list(value.into_iter()))))
        };
        let found = items(self.observe(&what, read).await);
        found.into_iter().map(|value| items(value).pop()).collect()
    }

    pub(crate) async fn scan(&self, table: &str, prefix: &str) -> Vec<(String, Value)> {
        let what = What::new(Kind::Scan, &[table, prefix]);
        let read = async {
            let rows = daal::scan(self.store(), table, prefix).await?;
            Ok(list(rows.into_iter().map(|(key, value)| Value::List(vec![key.into(), value]))))
        };
        let rows = items(self.observe(&what, read).await).into_iter();
        rows.filter_map(|row| match <[Value; 2]>::try_from(items(row)) {
            Ok([Value::Text(key), value]) => Some((key, value)),
            _ => None,
        })
        .collect()
    }

    pub(crate) async fn write(
        &self,
        table: &str,
        key: &str,
        write: Write,
        when: Option<&Condition>,
    ) -> bool {
        let (kind, change) = match write {
            Write::Put(value) => (Kind::Put, Change::Put(value)),
            Write::Delete => (Kind::Delete, Change::Delete),
        };
        let what = What::new(kind, &[table, key]);
        let write = async {
            if let Change::Put(value) = &change {
                small_enough(table, key, value).map_err(Stop::Park)?;
            }
            if self.is_raw() {
                return Ok(raw::write(self.store(), table, key, change, when).await?.into());
            }
            let mark = self.instance.id.mark(&self.path, kind.word(), &what.text);
            Ok(daal::write(&self.item(table, key), mark, change, when).await?.into())
        };
        self.effect_on_row(&what, write).await == Value::Bool(true)
    }

    pub(crate) async fn update(&self, table: &str, key: &str, changing: Changing<'_>) -> Value {
        let what = What::new(Kind::Update, &[table, key]);
        let write = async {
            let mut change = |old: Option<Value>| {
                let (new, result) = changing(old.clone())?;
                if result.size() > MAX_UPDATE_RESULT {
                    return Err(large_result(table, key, result.size()));
                }
                let change = match new {
                    unchanged if unchanged == old => Change::Keep,
                    Some(value) => {
                        small_enough(table, key, &value)?;
                        Change::Put(value)
                    }
                    None => Change::Delete,
                };
                Ok((change, result))
            };
            if self.is_raw() {
                return Ok(raw::update(self.store(), table, key, &mut change).await?);
            }
            let mark = self.instance.id.mark(&self.path, Kind::Update.word(), &what.text);
            Ok(daal::update(&self.item(table, key), mark, &mut change).await?)
        };
        self.effect_on_row(&what, write).await
    }

    pub(crate) async fn call(&self, ssf: &str, input: Value) -> Value {
        let what = What::new(Kind::Call, &[ssf, &digest(&input)]);
        let handler = self.instance.attempt.service.handler(ssf);
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

    async fn run_callee(
        &self,
        handler: Result<&Handler, Error>,
        input: Value,
    ) -> Result<Value, Stop> {
        let handler = handler.map_err(|error| bug("unknown_ssf", error.to_string()))?;
        let ssf = handler.name;
        let depth = self.instance.depth + 1;
        if depth > MAX_CALL_DEPTH {
            let text = format!(
                "calls are nested more than {MAX_CALL_DEPTH} deep at `{ssf}`: end the recursion, or `send`"
            );
            return Err(bug("call_depth", text));
        }
        let id = self.instance.id.callee(&self.path, ssf);
        let callee = Instance::new(Arc::clone(&self.instance.attempt), id, handler, depth)?;
        let callee = Arc::new(callee);
        let scope = Scope::new(Arc::clone(&callee), Path::default());
        let body = Scoped::new(Arc::clone(&scope), (handler.run)(input));
        let reply = body.await.map_err(Stop::Park)?;
        if !handler.read_only && !self.is_raw() {
            callee.before_reply(&scope.claim()).await?;
        }
        Ok(reply)
    }

    pub(crate) async fn send(&self, ssf: &str, input: Value) {
        let what = What::new(Kind::Send, &[ssf, &digest(&input)]);
        let send = async {
            let service = &self.instance.attempt.service;
            let handler = service.handler(ssf);
            let handler = handler.map_err(|error| bug("unknown_ssf", error.to_string()))?;
            #[cfg(feature = "testing")]
            if self.is_raw() {
                tokio::spawn(super::run_raw(Arc::clone(service), ssf.to_owned(), input));
                return Ok(Value::Null);
            }
            let request_key = send::request_key(self.instance.id.callee(&self.path, ssf));
            let receiver = service.new_intent(request_key.clone(), handler, input);
            send::send(&service.store, &receiver).await?;
            service.announce(request_key);
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
            self.make_way(&what).await?;
            let key = self.instance.id.mark(&self.path, Kind::Effect.word(), name);
            act(key.to_string()).await.map_err(Stop::Park)
        };
        self.observe(&what, act).await
    }

    /// A step whose outcome has to be logged before the next effect.
    async fn observe(&self, what: &What, act: impl Future<Output = Result<Value, Stop>>) -> Value {
        self.log(what, Instance::observed, act).await
    }

    /// A step whose outcome is in the row it changes.
    async fn effect_on_row(
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
        match outcome.await {
            Ok(value) => value,
            Err(stop) => self.stop(stop).await,
        }
    }

    /// What an effect has to wait for.
    async fn make_way(&self, what: &What) -> Result<(), Stop> {
        if self.is_raw() {
            return Ok(());
        }
        self.may_have_effects(what)?;
        self.instance.before_effect(&self.path).await
    }

    fn recall(&self, what: &What) -> Result<Option<Value>, Stop> {
        self.instance.recall(&self.path, what.fingerprint(), what)
    }

    fn entry(&self, what: &What, value: Value) -> Entry {
        Entry { path: self.path.clone(), fingerprint: what.fingerprint(), value }
    }

    /// The types say so too, where they can see it.
    fn may_have_effects(&self, what: &What) -> Result<(), Stop> {
        if !self.instance.read_only {
            return Ok(());
        }
        let ssf = self.instance.ssf;
        let text = format!("`{ssf}` is `read_only`, but asks for {what}; take `read_only` away");
        Err(bug("read_only", text))
    }

    fn is_raw(&self) -> bool {
        self.instance.attempt.is_raw()
    }

    fn store(&self) -> &dyn crate::store::Store {
        &self.instance.attempt.service.store
    }

    fn item<'a>(&'a self, table: &'a str, key: &'a str) -> Item<'a> {
        let service = &self.instance.attempt.service;
        Item {
            store: &service.store,
            outside: &*service.outside,
            table,
            key,
            capacity: service.limits.marks,
        }
    }
}

fn list(values: impl Iterator<Item = Value>) -> Value {
    Value::List(values.collect())
}

fn items(value: Value) -> Vec<Value> {
    match value {
        Value::List(items) => items,
        _ => Vec::new(),
    }
}

fn bug(code: &str, text: String) -> Stop {
    Stop::Park(Reason::new(code, text))
}

fn small_enough(table: &str, key: &str, value: &Value) -> Result<(), Reason> {
    let size = value.size();
    if size <= MAX_VALUE {
        return Ok(());
    }
    let key = key.escape_debug();
    Err(Reason::new(
        "value_too_large",
        format!(
            "the value of `{key}` in table `{table}` takes {size} bytes; the limit is {MAX_VALUE}. \
             Nothing was changed by this step: store it in pieces, or elsewhere with a reference here"
        ),
    ))
}

fn large_result(table: &str, key: &str, size: usize) -> Reason {
    let key = key.escape_debug();
    Reason::new(
        "update_result_too_large",
        format!(
            "the closure updating `{key}` in table `{table}` returned {size} bytes; the limit is \
             {MAX_UPDATE_RESULT}, for the result is stored with the mark. Return less and read the rest with `get`"
        ),
    )
}
