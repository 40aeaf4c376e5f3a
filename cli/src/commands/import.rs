//! `souk import`: a catalog from a file into a shop.

use std::fs::File;
use std::io::{self, BufReader, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::signals::Signals;
use crate::import::{Currency, Format, Import, Report, Sent, Source, create_categories};
use crate::shop::{self, ShopArgs};

/// Between two lines of progress where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(2);
/// The buffer of the file.
const BUFFER_BYTES: usize = 256 * 1024;
/// What a command ended by Ctrl-C exits with.
const INTERRUPTED: u8 = 130;

/// Loads products from a JSONL or CSV file.
///
/// Known fields are id, sku, name (or title), description, category, price,
/// currency, stock (or current_stock), purchase_limit, image and images; every
/// other field becomes an attribute. A bad line is listed with its number and reason and
/// does not stop the rest. The same file again changes nothing.
///
/// Exit code: 0 when every line is in, 1 when some are bad, 2 when the file
/// or the shop is away.
#[derive(Debug, Args)]
pub struct ImportFile {
    /// The file.
    file: PathBuf,

    /// How it is written, when its name does not say.
    #[arg(long)]
    format: Option<Format>,

    /// The currency of prices that come without.
    #[arg(long, default_value_t = Currency::default())]
    currency: Currency,

    /// Categories to make first: JSONL with id or name, title and parent.
    #[arg(long, value_name = "FILE")]
    categories: Option<PathBuf>,

    #[command(flatten)]
    shop: ShopArgs,
}

impl ImportFile {
    /// Imports, and reports on standard output.
    ///
    /// # Errors
    /// When the file cannot be read or the shop is away.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let mut signals = Signals::listen()?;
        let progress = Bar::default();
        let outcome = tokio::select! {
            outcome = self.import(&progress) => outcome,
            _ = signals.next() => {
                progress.end();
                eprintln!("stopped; what was sent is in, and the same file again brings the rest");
                return Ok(ExitCode::from(INTERRUPTED));
            }
        };
        progress.end();
        let report = outcome?;
        print(&report)?;
        Ok(if report.bad.is_empty() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }

    async fn import(&self, progress: &Bar) -> anyhow::Result<Report> {
        let format = self
            .format
            .or_else(|| Format::of(&self.file))
            .with_context(|| {
                format!(
                    "{} is neither .jsonl nor .csv; say which with --format",
                    self.file.display()
                )
            })?;
        let named = || format!("cannot read {}", self.file.display());
        let file = File::open(&self.file).with_context(named)?;
        let metadata = file.metadata().with_context(named)?;
        if metadata.is_dir() {
            anyhow::bail!("{} is a folder", self.file.display());
        }
        let staff = self.shop.staff()?;
        let channel = self.shop.connect().await?;
        let token = shop::log_in(channel.clone(), &staff.email, &staff.password).await?;
        if let Some(path) = &self.categories {
            let file =
                File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
            create_categories(channel.clone(), &token, BufReader::new(file)).await?;
        }
        let import = Import {
            channel,
            token: shop::bearer(&token)?,
            currency: self.currency,
        };
        let source = Source {
            reader: Box::new(BufReader::with_capacity(BUFFER_BYTES, file)),
            format,
        };
        progress.begin(metadata.len());
        let mut last = Instant::now();
        import
            .run(source, |sent| progress.show(sent, &mut last))
            .await
            .with_context(|| self.file.display().to_string())
    }
}

/// A bar in a terminal, a line now and then elsewhere.
#[derive(Debug)]
struct Bar {
    bar: ProgressBar,
    terminal: bool,
}

impl Default for Bar {
    fn default() -> Self {
        Self {
            bar: ProgressBar::hidden(),
            terminal: io::stderr().is_terminal(),
        }
    }
}

impl Bar {
    fn begin(&self, bytes: u64) {
        self.bar.set_length(bytes);
        if let Ok(style) = ProgressStyle::with_template(
            "{bar:40} {percent:>3}% {bytes}/{total_bytes} {msg} {eta} left",
        ) {
            self.bar.set_style(style);
        }
        if self.terminal {
            self.bar
                .set_draw_target(indicatif::ProgressDrawTarget::stderr());
        }
    }

    fn show(&self, sent: Sent, last: &mut Instant) {
        self.bar.set_message(format!("{} lines", sent.lines));
        self.bar.set_position(sent.bytes);
        if !self.terminal && last.elapsed() > LINE_EVERY {
            *last = Instant::now();
            let total = self.bar.length().unwrap_or(0).max(1);
            eprintln!("{} lines, {}%", sent.lines, sent.bytes * 100 / total);
        }
    }

    fn end(&self) {
        self.bar.finish_and_clear();
    }
}

fn print(report: &Report) -> anyhow::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    for bad in &report.bad {
        writeln!(out, "{bad}")?;
    }
    let Report {
        created,
        updated,
        unchanged,
        bad,
    } = report;
    writeln!(
        out,
        "{created} created, {updated} updated, {unchanged} unchanged, {} bad",
        bad.len()
    )?;
    out.flush()?;
    Ok(())
}
