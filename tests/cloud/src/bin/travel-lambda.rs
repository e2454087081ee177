//! The travel agency as a function.

#[tokio::main]
async fn main() -> Result<(), beldi_lambda::Error> {
    beldi_lambda::run(cloud::services::agency::app()).await
}
