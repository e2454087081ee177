//! The command line.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::Parser;
use clap::error::ErrorKind;
use tempfile::TempDir;

/// Books travels while everything crashes, and counts what became of them.
///
/// Serves the travel service on the embedded store, drives bookings at it over HTTP, crashes attempts
/// at random points, kills the server process three times, and then audits every room, seat and
/// confirmation. Then the same load runs on the same handlers without beldi. Exits with 1 if beldi
/// lost or doubled anything.
#[derive(Debug, Parser)]
#[command(name = "travel")]
pub(crate) struct Args {
    /// How many bookings to make
    #[arg(long, value_name = "N", default_value_t = 2000)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) bookings: u32,

    /// Draws the bookings, crashes and kills [default: another one each time]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,

    /// Keep the databases in this folder, which must be new or empty
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,

    /// Print the results as one line of JSON at the end
    #[arg(long)]
    pub(crate) json: bool,

    /// Be the server process, on this database
    #[arg(long, hide = true, value_name = "FILE")]
    pub(crate) serve: Option<PathBuf>,
}

/// Where the databases are.
pub(crate) enum Folder {
    Kept(PathBuf),
    /// Removed when dropped.
    Temporary(TempDir),
}

impl Args {
    /// Reads the command line; what is wrong with it ends the process with code 2.
    pub(crate) fn read() -> Self {
        let mut args = Self::parse();
        args.seed.get_or_insert_with(|| fastrand::u64(..1_000_000));
        if let Some(folder) = &args.keep
            && let Err(error) = make_empty(folder)
        {
            let text = format!("cannot keep the databases in {}: {error}", folder.display());
            <Self as clap::CommandFactory>::command()
                .error(ErrorKind::ValueValidation, text)
                .exit();
        }
        args
    }

    pub(crate) fn seed(&self) -> u64 {
        self.seed.unwrap_or_default()
    }

    pub(crate) fn folder(&self) -> io::Result<Folder> {
        match &self.keep {
            Some(folder) => Ok(Folder::Kept(folder.clone())),
            None => tempfile::Builder::new().prefix("travel").tempdir().map(Folder::Temporary),
        }
    }
}

fn make_empty(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    match fs::read_dir(folder)?.next() {
        None => Ok(()),
        Some(_) => Err(io::Error::other("it is not empty")),
    }
}

impl Folder {
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Kept(folder) => folder,
            Self::Temporary(folder) => folder.path(),
        }
    }
}
