//! What a function reads from its environment.
//!
//! | variable | |
//! |---|---|
//! | `BELDI_TABLE` | the service's DynamoDB table; needed by [`run`](crate::run) |
//! | `BELDI_SSF` | the SSF that takes events which name none; not needed if there is only one |
//! | `BELDI_PEERS` | other owners' services: `{"payments": {"function": "pay", "key": ".."}}`; instead of a key, a list of which the first seals and any opens |
//! | `BELDI_NAMESPACE` | of the metrics; `beldi` if it is not set |
//! | `RUST_LOG` | levels of the log, as `info,my_crate=debug`; else `AWS_LAMBDA_LOG_LEVEL`, else `info` |
//! | `AWS_LAMBDA_FUNCTION_NAME`, `AWS_LAMBDA_FUNCTION_VERSION` | set by Lambda: how the function begins what it sends |
//! | `AWS_ENDPOINT_URL`, `AWS_REGION`, … | as all AWS SDKs read them |

use std::collections::BTreeMap;
use std::env;

use serde::Deserialize;

use crate::failure::Failure;
use beldi::on_demand::{LetterError, SharedKey};

/// A function's environment, read.
#[derive(Default)]
pub(crate) struct Settings {
    pub(crate) table: Option<String>,
    pub(crate) ssf: Option<String>,
    pub(crate) peers: BTreeMap<String, Peer>,
    /// The function itself, with its version if it is a published one.
    pub(crate) itself: Option<String>,
}

/// Another owner's service.
pub(crate) struct Peer {
    pub(crate) function: String,
    pub(crate) key: SharedKey,
}

impl Settings {
    pub(crate) fn from_env() -> Result<Self, Failure> {
        Self::read(&|name| env::var(name).ok())
    }

    fn read(variable: &dyn Fn(&str) -> Option<String>) -> Result<Self, Failure> {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let version = set("AWS_LAMBDA_FUNCTION_VERSION").filter(|version| version != "$LATEST");
        let itself = set("AWS_LAMBDA_FUNCTION_NAME").map(|name| match version {
            Some(version) => format!("{name}:{version}"),
            None => name,
        });
        let peers = set("BELDI_PEERS").map(|peers| read_peers(&peers)).transpose()?;
        Ok(Self {
            table: set("BELDI_TABLE"),
            ssf: set("BELDI_SSF"),
            peers: peers.unwrap_or_default(),
            itself,
        })
    }

    /// The table, which a function cannot do without.
    pub(crate) fn needed_table(&self) -> Result<String, Failure> {
        self.table.clone().ok_or_else(|| {
            Failure::misconfigured("BELDI_TABLE is not set: it names the service's DynamoDB table")
        })
    }
}

/// The namespace of the metrics.
pub(crate) fn namespace() -> String {
    env::var("BELDI_NAMESPACE").ok().filter(|name| !name.is_empty()).unwrap_or("beldi".to_owned())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    function: String,
    key: Keys,
}

/// While a key is changed there are two.
#[derive(Deserialize)]
#[serde(untagged)]
enum Keys {
    One(String),
    Several(Vec<String>),
}

impl Keys {
    /// None is as good as a short one.
    fn shared(&self) -> Result<SharedKey, LetterError> {
        let secrets = match self {
            Self::One(secret) => std::slice::from_ref(secret),
            Self::Several(secrets) => secrets,
        };
        let first = secrets.first().map_or("", String::as_str);
        secrets.iter().skip(1).try_fold(SharedKey::new(first)?, |key, secret| key.or_accept(secret))
    }
}

fn read_peers(peers: &str) -> Result<BTreeMap<String, Peer>, Failure> {
    // Not the error of serde, which may show a part of a key.
    let named: BTreeMap<String, Named> = serde_json::from_str(peers).map_err(|error| {
        let text = format!(
            "BELDI_PEERS is not `{{\"service\": {{\"function\": \"..\", \"key\": \"..\"}}}}` \
             (line {}, column {})",
            error.line(),
            error.column()
        );
        Failure::misconfigured(text)
    })?;
    let peer = |(service, named): (String, Named)| {
        let key = named.key.shared().map_err(|error| {
            Failure::misconfigured(format!("the key of `{service}` in BELDI_PEERS: {error}"))
        })?;
        Ok((service, Peer { function: named.function, key }))
    };
    named.into_iter().map(peer).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::FailureKind;

    fn read(variables: &[(&str, &str)]) -> Result<Settings, Failure> {
        let find = |name: &str| variables.iter().find(|(known, _)| *known == name);
        Settings::read(&|name| find(name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn published_versions_begin_their_own_sends() {
        let name = ("AWS_LAMBDA_FUNCTION_NAME", "book");
        let itself =
            |version| read(&[name, ("AWS_LAMBDA_FUNCTION_VERSION", version)]).unwrap().itself;
        assert_eq!(itself("$LATEST").as_deref(), Some("book"));
        assert_eq!(itself("7").as_deref(), Some("book:7"));
    }

    #[test]
    fn a_key_can_be_changed_without_a_pause() {
        let read = |keys: &str| {
            let peers = format!(r#"{{"payments":{{"function":"pay","key":{keys}}}}}"#);
            read(&[("BELDI_PEERS", &peers)]).map(|settings| settings.peers["payments"].key.clone())
        };
        read(r#""the secret of both sides""#).unwrap();
        read(r#"["the secret from now on", "the secret until now"]"#).unwrap();
        for refused in [r#"["the secret from now on", "short"]"#, "[]", "7"] {
            let failure = read(refused).unwrap_err();
            assert_eq!(failure.kind(), FailureKind::Misconfigured, "{refused}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_named_and_not_shown() {
        for peers in
            [r#"{"payments":"hunter2"}"#, r#"{"payments":{"function":"p","secret":"hunter2"}}"#]
        {
            let failure = read(&[("BELDI_PEERS", peers)]).err().unwrap();
            assert_eq!(failure.kind(), FailureKind::Misconfigured);
            assert!(failure.to_string().contains("BELDI_PEERS"));
            assert!(!failure.to_string().contains("hunter2"), "{failure}");
        }
        let failure = read(&[("BELDI_TABLE", "")]).unwrap().needed_table().unwrap_err();
        assert!(failure.to_string().contains("BELDI_TABLE"));
    }
}
