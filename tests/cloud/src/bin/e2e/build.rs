//! The programs of the functions.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use crate::Result;
use crate::args::Args;

pub(crate) const TRAVEL: &str = "travel-lambda";
pub(crate) const BANK: &str = "bank-lambda";
/// The travel example without beldi.
pub(crate) const RAW: &str = "raw-lambda";

/// The folder that has them, built as this program was.
pub(crate) fn programs(args: &Args) -> Result<PathBuf> {
    if let Some(folder) = &args.programs {
        return Ok(folder.clone());
    }
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "--package", env!("CARGO_PKG_NAME")]);
    cargo.args(["--manifest-path", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")]);
    cargo.args(["--bin", TRAVEL, "--bin", BANK, "--bin", RAW]);
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    if !cargo.status()?.success() {
        return Err("the functions could not be built".into());
    }
    let own = env::current_exe()?;
    Ok(own.parent().ok_or("a program is in a folder")?.to_owned())
}
