//! `souk reconcile`: a day's payments beside what the payment providers have on
//! record.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;

use crate::reconcile::{Reconciled, Staff, print, write_csv};
use crate::shop::{self, ShopArgs};

/// How long a comparison may take before it is left to itself.
const PATIENCE: Duration = Duration::from_mins(10);

/// Compares a day's payments and refunds with the payment providers' records.
///
/// Prints what does not agree. Nothing is repaired by itself: each line says
/// what may be done. A day is compared by itself as well, two hours after its
/// end.
///
/// Exit code: 0 when nothing is open, 1 when something is, 2 when the shop is
/// away or the comparison does not end.
#[derive(Debug, Args)]
pub struct Reconcile {
    /// The day, UTC [default: yesterday].
    #[arg(long, value_name = "YYYY-MM-DD")]
    date: Option<String>,

    /// Where to write what does not agree, as CSV.
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,

    /// Close this discrepancy instead of comparing.
    #[arg(long, value_name = "ID", requires = "reason", conflicts_with_all = ["date", "csv"])]
    resolve: Option<String>,

    /// How it was dealt with, for the record.
    #[arg(long, value_name = "TEXT", requires = "resolve")]
    reason: Option<String>,

    #[command(flatten)]
    shop: ShopArgs,
}

impl Reconcile {
    /// Compares and prints, or closes one.
    ///
    /// # Errors
    /// When the shop is away or refuses, or the file cannot be written.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let account = self.shop.staff()?;
        let channel = self.shop.connect().await?;
        let token = shop::log_in(channel.clone(), &account.email, &account.password).await?;
        let mut staff = Staff::new(channel, shop::bearer(&token)?);
        if let (Some(id), Some(reason)) = (&self.resolve, &self.reason) {
            let resolved = staff.resolve(id, reason).await?;
            println!("{} is {}", resolved.id, resolved.state);
            return Ok(ExitCode::SUCCESS);
        }
        let date = self.date.as_deref().unwrap_or_default();
        let compared = tokio::time::timeout(PATIENCE, staff.reconcile(date)).await;
        let Ok(compared) = compared else {
            bail!("the comparison takes more than {PATIENCE:?}; it goes on by itself");
        };
        let reconciled = compared?;
        if let Some(path) = &self.csv {
            let named = || format!("cannot write {}", path.display());
            let file = File::create(path).with_context(named)?;
            write_csv(file, &reconciled.discrepancies).with_context(named)?;
        }
        let mut out = io::BufWriter::new(io::stdout().lock());
        print(&mut out, &reconciled)?;
        out.flush()?;
        Ok(exit_code(&reconciled))
    }
}

fn exit_code(reconciled: &Reconciled) -> ExitCode {
    if reconciled.open() == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
