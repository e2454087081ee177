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

#[cfg(test)]
mod tests {
    /// An input is compared with the one its key came with before: it must not depend on who reads it.
    #[test]
    fn a_float_is_read_as_the_one_that_was_written() {
        let mut random = 1_u64;
        for _ in 0..20_000 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let float = f64::from_bits(random);
            if float.is_finite() {
                let json = format!("{float:e}");
                let read: f64 = serde_json::from_str(&json).unwrap();
                assert_eq!(read.to_bits(), float.to_bits(), "{json}");
            }
        }
    }
}
