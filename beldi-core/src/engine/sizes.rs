//! What a step may store: limits that a handler meets, and what it is told then.

use super::ops::Changing;
use crate::error::Reason;
use crate::limits::{MAX_INPUT, MAX_UPDATE_RESULT, MAX_VALUE};
use crate::value::Value;

/// What a closure makes of the old value, if it is not too large.
pub(super) fn changed(
    table: &str,
    key: &str,
    old: Option<Value>,
    changing: Changing<'_>,
) -> Result<(Option<Value>, Value), Reason> {
    let (new, result) = changing(old)?;
    if result.size() > MAX_UPDATE_RESULT {
        return Err(large_result(table, key, result.size()));
    }
    if let Some(value) = &new {
        small_enough(table, key, value)?;
    }
    Ok((new, result))
}

pub(super) fn small_enough(table: &str, key: &str, value: &Value) -> Result<(), Reason> {
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

/// Beside its input, the row of a root has to hold what becomes of it.
pub(super) fn small_enough_input(ssf: &str, input: &Value) -> Result<(), Reason> {
    let size = input.size();
    if size <= MAX_INPUT {
        return Ok(());
    }
    Err(Reason::new(
        "input_too_large",
        format!(
            "the input of `{ssf}` takes {size} bytes; the limit is {MAX_INPUT}. Nothing has happened: store \
             it elsewhere, or in pieces, and hand over where it is"
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
