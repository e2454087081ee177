//! Inputs from JSON and outputs to JSON, for hosts that speak it.

use serde_json::error::Category;

use super::ssf::{Call, Ssf};
use crate::error::{InputError, Reason};
use crate::value::Value;

/// Reads the input of an SSF.
pub(super) fn input<S: Ssf>(json: &[u8]) -> Result<Value, InputError> {
    let mut json = serde_json::Deserializer::from_slice(json);
    let input: S::Input = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        unread(error.inner(), path)
    })?;
    json.end().map_err(|error| unread(&error, String::new()))?;
    Call::<S>::encoded_input(&input).map_err(InputError::Value)
}

fn unread(error: &serde_json::Error, path: String) -> InputError {
    let message = error.to_string();
    match error.classify() {
        Category::Data => InputError::Type { message, path },
        Category::Syntax | Category::Eof | Category::Io => {
            InputError::Syntax { message, line: error.line(), column: error.column() }
        }
    }
}

/// Shows the output of an SSF.
pub(super) fn output<S: Ssf>(output: Value) -> Result<serde_json::Value, Reason> {
    let output = Call::<S>::decoded_output(output)?;
    serde_json::to_value(output).map_err(|error| {
        let text = format!("the output of `{}` is not JSON: {error}", S::NAME);
        Reason::new("unencodable_value", text)
    })
}
