//! A process that was frozen between two invocations, and whose connections died meanwhile without a word.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_sdk_lambda::primitives::Blob;
use beldi::store::DynamoStore;
use cloud::aws;
use cloud::lambda::{Function, Lambda};
use dynamodb::Dynoxide;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy};
use tokio::net::{TcpListener, TcpStream};

/// Passes connections on. What was opened before the last `cut` stays open, and swallows everything.
struct Relay {
    address: SocketAddr,
    cuts: Arc<AtomicU64>,
    swallowed: Arc<AtomicU64>,
}

impl Relay {
    async fn to(upstream: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (cuts, swallowed) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let relay = Self { address, cuts: Arc::clone(&cuts), swallowed: Arc::clone(&swallowed) };
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let (cuts, swallowed) = (Arc::clone(&cuts), Arc::clone(&swallowed));
                tokio::spawn(pass(near, upstream, cuts, swallowed));
            }
        });
        Ok(relay)
    }

    fn cut(&self) {
        self.cuts.fetch_add(1, Ordering::SeqCst);
    }
}

async fn pass(
    near: TcpStream,
    upstream: SocketAddr,
    cuts: Arc<AtomicU64>,
    swallowed: Arc<AtomicU64>,
) {
    let far = TcpStream::connect(upstream).await.unwrap();
    let ((mut asks, mut hears), (mut answers, mut told)) = (near.into_split(), far.into_split());
    tokio::spawn(async move { copy(&mut answers, &mut hears).await });
    let (born, mut bytes) = (cuts.load(Ordering::SeqCst), [0; 4096]);
    while let Ok(count @ 1..) = asks.read(&mut bytes).await {
        if cuts.load(Ordering::SeqCst) > born {
            swallowed.fetch_add(1, Ordering::SeqCst);
        } else if told.write_all(&bytes[..count]).await.is_err() {
            break;
        }
    }
}

#[tokio::test]
async fn a_connection_that_died_while_the_process_was_frozen_costs_a_try_and_no_invocation() {
    let server = Dynoxide::start();
    let relay = Relay::to(server.url().trim_start_matches("http://").parse().unwrap());
    let relay = relay.await.unwrap();
    let client = aws_sdk_dynamodb::Client::from_conf(
        dynamodb::config(&server.url()).region(aws::region()).build(),
    );
    DynamoStore::new(client, "bank").create_table().await.unwrap();
    let bank = Function::new("bank", env!("CARGO_BIN_EXE_bank-lambda"))
        .env("BELDI_TABLE", "bank")
        .env("AWS_ENDPOINT_URL_DYNAMODB", format!("http://{}", relay.address));
    let lambda = Lambda::start([bank]).await.unwrap();
    let round = async || {
        let payload = Blob::new(json!({ "beldi": { "tick": "intents" } }).to_string());
        let invoke = aws::lambda(&lambda.endpoint()).invoke().function_name("bank");
        let answer = invoke.payload(payload).send().await.unwrap();
        let body = answer.payload.map(Blob::into_inner).unwrap_or_default();
        serde_json::from_slice::<Value>(&body).unwrap()
    };

    assert_eq!(round().await["begun"], 0);
    relay.cut();
    assert_eq!(round().await["begun"], 0);
    assert!(relay.swallowed.load(Ordering::SeqCst) > 0, "no dead connection was used");
    assert_eq!(lambda.counts("bank").processes, 1, "it is the same process");
}
