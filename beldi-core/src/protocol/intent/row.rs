//! The intent as the attributes of its row, and back.

use std::collections::BTreeMap;

use super::{DONE, Intent, Left, PARKED, RUNNING, State, code_text};
use crate::error::Reason;
use crate::id::Id;
use crate::limits::MAX_REASON;
use crate::protocol::callback::{self, Callback};
use crate::protocol::journal;
use crate::protocol::layout::{self, intent as attr};
use crate::protocol::txn::{item_key, named};
use crate::store::{Result, Row, StoreError};
use crate::value::Value;

/// The request key, where an intent does not stand in its own row.
const KEY: &str = "key";

impl Intent {
    /// What a registration writes.
    pub(super) fn attributes(&self) -> Vec<(String, Value)> {
        let mut attributes = vec![
            (attr::SSF, Value::from(&*self.ssf)),
            (attr::INPUT, self.input.clone()),
            (attr::CODE, code_text(self.code).into()),
            (attr::VERSION, Value::from(&*self.version)),
            (attr::EPOCH, self.epoch.into()),
            (attr::ATTEMPTS, self.attempts.into()),
            (attr::EXCUSED, self.excused.into()),
            (attr::NEXT, self.next.into()),
            (attr::BY, Value::from(&*self.by)),
        ];
        if let Some(caller) = &self.caller {
            attributes.push((attr::CALLER, Value::from(&**caller)));
        }
        if self.depth > 0 {
            attributes.push((attr::DEPTH, self.depth.into()));
        }
        if let Some(callback) = &self.callback {
            attributes.push((attr::CALLBACK, callback.to_value()));
        }
        match &self.state {
            State::Done(result) => {
                attributes.push((attr::STATE, DONE.into()));
                attributes.push((attr::RESULT, result.clone()));
            }
            _ => attributes.push((attr::STATE, RUNNING.into())),
        }
        let own = attributes.into_iter().map(|(name, value)| (name.to_owned(), value));
        own.chain(self.left.attributes()).collect()
    }

    /// The registration as a value, where another row carries it.
    pub(crate) fn to_value(&self) -> Value {
        let key = (KEY.to_owned(), Value::from(&*self.request_key));
        Value::map(self.attributes().into_iter().chain([key]))
    }

    /// Reads what [`to_value`](Self::to_value) made.
    pub(crate) fn from_value(value: &Value) -> Result<Self> {
        let key = value.field(KEY).and_then(Value::as_text);
        match (key, value) {
            (Some(key), Value::Map(fields)) => Self::read(key, &Row(fields.clone())),
            _ => Err(corrupt("?", "a registration without a key")),
        }
    }

    /// The intent in a row; fails if it is not one.
    pub(crate) fn read(request_key: &str, row: &Row) -> Result<Self> {
        Self::try_read(request_key, row).unwrap_or_else(|missing| {
            Err(corrupt(request_key, &format!("its attribute `{missing}` is missing or damaged")))
        })
    }

    fn try_read(request_key: &str, row: &Row) -> std::result::Result<Result<Self>, &'static str> {
        let text = |name| row.text(name).map(str::to_owned).ok_or(name);
        let number = |name| row.int(name).and_then(|n| u64::try_from(n).ok()).ok_or(name);
        let small = |name| u32::try_from(number(name)?).map_err(|_| name);
        let reason = row.get(attr::REASON).map(read_reason);
        let state = match row.text(attr::STATE) {
            Some(RUNNING) => State::Running,
            Some(DONE) => State::Done(row.get(attr::RESULT).cloned().ok_or(attr::RESULT)?),
            Some(PARKED) => State::Parked(reason.clone().ok_or(attr::REASON)?),
            _ => return Err(attr::STATE),
        };
        let first = match row.get(attr::FIRST).map(journal::from_value).transpose() {
            Ok(first) => first,
            Err(error) => return Ok(Err(error)),
        };
        let common = Self {
            request_key: request_key.to_owned(),
            ssf: text(attr::SSF)?,
            input: Value::Null,
            code: 0,
            version: String::new(),
            epoch: number(attr::EPOCH)?,
            attempts: small(attr::ATTEMPTS)?,
            excused: 0,
            next: 0,
            state,
            reason,
            first,
            by: String::new(),
            caller: row.text(attr::CALLER).map(str::to_owned),
            depth: row.get(attr::DEPTH).map_or(Ok(0), |_| small(attr::DEPTH))?,
            callback: row.get(attr::CALLBACK).map(Callback::from_value).transpose()?,
            called_back: called_back(row),
            left: Left::read(row).ok_or(attr::ITEMS)?,
            asked: None,
            is_over: row.get(attr::KEPT).is_none(),
        };
        if let Some(Value::Bytes(asked)) = row.get(attr::ASKED) {
            return Ok(Ok(Self { asked: Some(asked.clone()), ..common }));
        }
        Ok(Ok(Self {
            input: row.get(attr::INPUT).cloned().ok_or(attr::INPUT)?,
            code: u64::from_str_radix(&text(attr::CODE)?, 16).map_err(|_| attr::CODE)?,
            version: text(attr::VERSION)?,
            excused: small(attr::EXCUSED)?,
            next: number(attr::NEXT)?,
            by: text(attr::BY)?,
            ..common
        }))
    }
}

impl Left {
    pub(super) fn attributes(&self) -> Vec<(String, Value)> {
        let mut attributes = Vec::new();
        if !self.items.is_empty() {
            let items = self.items.iter().map(|item| Value::map(named(item)));
            attributes.push((attr::ITEMS.to_owned(), Value::List(items.collect())));
        }
        if self.rows {
            attributes.push((attr::MORE.to_owned(), true.into()));
        }
        attributes
    }

    fn read(row: &Row) -> Option<Self> {
        let items = match row.get(attr::ITEMS) {
            Some(Value::List(items)) => items.iter().map(item_key).collect::<Option<_>>()?,
            Some(_) => return None,
            None => Vec::new(),
        };
        Some(Self { items, rows: row.get(attr::MORE).is_some() })
    }
}

fn called_back(row: &Row) -> BTreeMap<Id, Option<Value>> {
    let results = row.0.iter().filter_map(|(name, value)| {
        Some((layout::parse_called_back(name)?, callback::kept(value)))
    });
    results.collect()
}

pub(super) fn reason_value(reason: &Reason) -> Value {
    let message = &reason.message[..reason.message.floor_char_boundary(MAX_REASON)];
    let step = reason.step.as_deref().map_or(Value::Null, Value::from);
    Value::map([
        ("code", Value::from(&*reason.code)),
        ("message", Value::from(message)),
        ("step", step),
    ])
}

fn read_reason(value: &Value) -> Reason {
    let text = |name| value.field(name).and_then(Value::as_text).map(str::to_owned);
    Reason {
        code: text("code").unwrap_or_default(),
        message: text("message").unwrap_or_default(),
        step: text("step"),
    }
}

pub(super) fn corrupt(request_key: &str, what: &str) -> StoreError {
    StoreError::Corrupt(format!("intent `{request_key}`: {what}"))
}
