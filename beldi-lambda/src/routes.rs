//! Which SSF takes an event, under which key.

use crate::event::Record;
use crate::failure::{Failure, FailureKind};
use crate::source::{KeyFrom, Kind, Origin, Source, key_in};

/// All that [`Function::route`](crate::Function::route) was told, and the SSF for the rest.
#[derive(Clone, Debug, Default)]
pub(crate) struct Routes {
    routes: Vec<(Source, &'static str)>,
    /// The SSF that this function stands for.
    default: Option<String>,
}

/// What a record asks for.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) ssf: String,
    pub(crate) key: String,
    pub(crate) input: String,
}

impl Routes {
    pub(crate) fn add(&mut self, source: Source, ssf: &'static str) {
        self.routes.push((source, ssf));
    }

    pub(crate) fn set_default(&mut self, ssf: Option<String>) {
        self.default = ssf;
    }

    /// The SSF for payloads that do not name one, and where their key is.
    pub(crate) fn of_invocations(&self) -> Option<(&str, &KeyFrom)> {
        let origin = Origin { kind: Kind::Invocation, name: "", detail_type: None };
        self.find(&origin)
    }

    /// The request that a record of this kind of source is.
    pub(crate) fn request(&self, kind: Kind, record: &Record) -> Result<Asked, Failure> {
        let origin =
            Origin { kind, name: &record.origin, detail_type: record.detail_type.as_deref() };
        let (ssf, key_from) = self.find(&origin).ok_or_else(|| no_ssf(&origin))?;
        let bad = |why: String| Failure::new(FailureKind::BadRequest, why);
        let input = record.input.clone().map_err(bad)?;
        let key = match key_from {
            KeyFrom::Record => record.key.clone(),
            KeyFrom::Field(pointer) => key_in(&input, pointer).map_err(bad)?,
            KeyFrom::DeduplicationId => {
                let id = record.deduplication_id.as_ref().ok_or_else(|| {
                    bad("the message has no deduplication id; is the queue a FIFO queue?"
                        .to_owned())
                })?;
                format!("{}/{id}", record.origin)
            }
        };
        Ok(Asked { ssf: ssf.to_owned(), key, input })
    }

    fn find(&self, origin: &Origin<'_>) -> Option<(&str, &KeyFrom)> {
        let found = self.routes.iter().find(|(source, _)| source.covers(origin));
        match found {
            Some((source, ssf)) => Some((ssf, &source.key)),
            None => self.default.as_deref().map(|ssf| (ssf, &KeyFrom::Record)),
        }
    }
}

fn no_ssf(origin: &Origin<'_>) -> Failure {
    let text = format!(
        "no SSF takes what comes from `{}`: name one with `Function::route`, or set BELDI_SSF",
        origin.name
    );
    Failure::misconfigured(text)
}
