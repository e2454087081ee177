//! Services in one process, as they reach each other: a federation without a network.

use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tracing::Instrument as _;

use super::call::{answer, apart};
use crate::engine::{Declined, Errand, Part, Peer, Request, Service, TxnEnded, Vote};
use crate::error::{Error, Reason, ReasonKind};
use crate::id::{Epoch, Id};
use crate::protocol::callback::{Callback, Delivered};
use crate::protocol::horizon;
use crate::protocol::txn::Txn;
use crate::store::StoreError;
use crate::value::Value;

/// Lets two services of this process call each other.
pub(crate) fn connect(a: &Arc<Service>, b: &Arc<Service>) {
    a.peers.add(&b.name, Arc::new(InProcess { asker: a.name.clone(), service: Arc::downgrade(b) }));
    b.peers.add(&a.name, Arc::new(InProcess { asker: b.name.clone(), service: Arc::downgrade(a) }));
}

/// A service in this process, as another sees it.
struct InProcess {
    asker: String,
    service: Weak<Service>,
}

impl InProcess {
    fn service(&self) -> Result<Arc<Service>, StoreError> {
        let gone = || StoreError::Unavailable("the other service is closed".to_owned());
        self.service.upgrade().ok_or_else(gone)
    }
}

impl Peer for InProcess {
    fn call(&self, errand: Errand, _: Duration) -> BoxFuture<'_, Result<Value, Declined>> {
        Box::pin(async move {
            let service = self.service().map_err(|error| gone(&error))?;
            called(&service, &self.asker, errand, None).await
        })
    }

    fn prepare(&self, errand: Errand, part: Part) -> BoxFuture<'_, Vote> {
        Box::pin(async move {
            let tenure = part.tenure;
            let vote = async {
                let service = self.service().ok()?;
                let taking_part = Arc::clone(&service);
                let vote = async move { taking_part.take_part(errand, part).await };
                service.tasks.spawn(vote.in_current_span()).await.ok()?
            };
            vote.await.unwrap_or_else(|| Vote::stopped(tenure))
        })
    }

    fn ended(&self, txn: Txn, abort: bool) -> BoxFuture<'_, Result<Option<TxnEnded>, StoreError>> {
        Box::pin(async move { self.service()?.ended(&self.asker, &txn, abort).await })
    }

    fn settle(&self, txn: Txn, ended: TxnEnded) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move { self.service()?.settle_prepared(&txn, &ended).await })
    }

    fn call_back(
        &self,
        callee: Id,
        callback: Callback,
        result: Option<Value>,
    ) -> BoxFuture<'_, Result<Delivered, StoreError>> {
        Box::pin(async move {
            self.service()?.called_back(&self.asker, callee, &callback, result.as_ref()).await
        })
    }

    fn swept(&self) -> BoxFuture<'_, Result<Epoch, StoreError>> {
        Box::pin(async move { Ok(horizon::read(&self.service()?.store).await?.swept) })
    }
}

/// Runs what another service asks for, and keeps the result. If that takes longer than the asker waits,
/// the result is called back as well.
pub(super) async fn called(
    service: &Arc<Service>,
    asker: &str,
    errand: Errand,
    late: Option<(Callback, Duration)>,
) -> Result<Value, Declined> {
    let (callback, patience) = late.unzip();
    let began = service.outside.now();
    let (key, caller) = (errand.key(asker), Some(asker.to_owned()));
    let Errand { depth, ssf, read_only, input, .. } = errand;
    if read_only && service.handler(&ssf).is_ok_and(|handler| !handler.read_only) {
        let text = format!(
            "service `{asker}` declares `{ssf}` as read-only, and in service `{}` it is not: take \
             `read_only` off the declaration",
            service.name
        );
        return Err(Declined::Refused(Reason::new("callee", text)));
    }
    let request = Request { key, explicit: true, caller, depth, callback, ssf, input };
    let answering = Arc::clone(service);
    let answered = apart(service, async move {
        let result = answer(&answering, &request).await?;
        let took = Duration::from_millis(answering.outside.now().saturating_sub(began));
        // The asker gives up a little earlier, as letters take their time.
        if patience.is_some_and(|patience| took > patience / 10 * 9) {
            let (calling, result) = (Arc::clone(&answering), result.clone());
            let called_back = async move {
                let Request { key, caller, callback, .. } = &request;
                calling.call_back(key, caller.as_deref(), callback.as_ref(), result).await;
            };
            answering.tasks.spawn(called_back.in_current_span());
        }
        Ok(result)
    });
    answered.await.map_err(|error| match error {
        Error::Failed { reason } => match reason.kind() {
            ReasonKind::Away => Declined::Unavailable(reason.to_string()),
            ReasonKind::Attempt => Declined::Failed(reason),
            ReasonKind::Final => Declined::Refused(reason),
        },
        Error::Parked { .. } | Error::UnknownSsf { .. } => {
            Declined::Failed(Reason::new("callee", error.to_string()))
        }
        // Its input was read long ago: it is too large.
        Error::BadRequest(text) => Declined::Refused(Reason::new("input_too_large", text)),
        Error::KeyReused { .. } => Declined::Refused(Reason::new("callee", error.to_string())),
        error => Declined::Unavailable(error.to_string()),
    })
}

fn gone(error: &StoreError) -> Declined {
    Declined::Unavailable(error.to_string())
}
