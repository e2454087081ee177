//! A server that always says the same, or nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use aws_sdk_dynamodb::Client;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;

/// What it says.
#[derive(Clone, Debug)]
pub(crate) struct Canned {
    reply: Option<(u16, String)>,
    asked: Arc<AtomicU32>,
}

impl Canned {
    pub(crate) fn reply(status: u16, body: impl Into<String>) -> Self {
        Self { reply: Some((status, body.into())), asked: Arc::default() }
    }

    pub(crate) fn failure(code: &str, message: &str) -> Self {
        let body = serde_json::json!({
            "__type": format!("com.amazonaws.dynamodb.v20120810#{code}"),
            "message": message,
        });
        Self::reply(400, body.to_string())
    }

    pub(crate) fn silent() -> Self {
        Self { reply: None, asked: Arc::default() }
    }

    pub(crate) fn client(&self) -> Client {
        let config = dynamodb::config("http://127.0.0.1:1").http_client(self.clone());
        Client::from_conf(config.build())
    }

    /// How often it was asked.
    pub(crate) fn asked(&self) -> u32 {
        self.asked.load(Ordering::Relaxed)
    }
}

impl HttpConnector for Canned {
    fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let Some((status, body)) = self.reply.clone() else {
            return HttpConnectorFuture::new(std::future::pending());
        };
        let status = StatusCode::try_from(status).unwrap();
        HttpConnectorFuture::ready(Ok(HttpResponse::new(status, SdkBody::from(body))))
    }
}

impl HttpClient for Canned {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}
