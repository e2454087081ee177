//! A booking over HTTP.

use std::time::Duration;

use reqwest::{Response, StatusCode};
use serde::Deserialize;

use crate::Result;
use crate::load::{Answer, Target};
use crate::server::Server;
use crate::service::{Booking, Refused};

/// Longer than any attempt: a server that is gone says so by closing the connection.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Client {
    http: reqwest::Client,
    pub(crate) server: Server,
}

impl Client {
    pub(crate) fn new(server: Server) -> Result<Self> {
        let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build()?;
        Ok(Self { http, server })
    }
}

impl Target for Client {
    async fn book(&self, booking: &Booking) -> Result<Option<Answer>> {
        let url = format!("{}/book", self.server.url());
        // However often it is asked, this is one request.
        let request = self.http.post(url).header("Idempotency-Key", &booking.id).json(booking);
        let answered = match request.send().await {
            Ok(response) => read(response).await,
            Err(cut) => Err(cut.into()),
        };
        match answered {
            Err(error) if error.is::<reqwest::Error>() => Ok(None),
            other => other,
        }
    }

    async fn kill(&self) -> Result<()> {
        self.server.kill().await
    }
}

#[derive(Deserialize)]
struct Problem {
    error: Shown,
}

#[derive(Deserialize)]
struct Shown {
    code: String,
    message: String,
    detail: Option<Refused>,
}

async fn read(response: Response) -> Result<Option<Answer>> {
    let status = response.status();
    if status == StatusCode::OK {
        return Ok(Some(Ok(response.json().await?)));
    }
    let Problem { error } = response.json().await?;
    match (&*error.code, error.detail) {
        ("rejected", Some(refused)) => Ok(Some(Err(refused))),
        ("failed", _) => Ok(None),
        _ if status == StatusCode::SERVICE_UNAVAILABLE => Ok(None),
        (code, _) => Err(format!("{status}, {code}: {}", error.message).into()),
    }
}
