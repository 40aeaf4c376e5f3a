//! Sends rows to the shop in batches, a few of them under way at a time.

use std::collections::VecDeque;

use anyhow::{Context as _, bail};
use prost::Message as _;
use proto::souk::catalog::v1::catalog_service_client::CatalogServiceClient;
use proto::souk::catalog::v1::{ImportProductsRequest, ImportProductsResponse, ImportRow};
use tokio::sync::mpsc;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Request;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;

use super::bad::Bad;
use super::money::Currency;
use super::rows::{Rows, Source};
use crate::shop;

/// Rows of a batch, at most.
const BATCH_ROWS: usize = 200;
/// Bytes of a batch after which no row is added.
const BATCH_BYTES: usize = 512 * 1024;
/// Batches that are read ahead.
const BATCHES_AHEAD: usize = 4;

/// An import into a shop.
#[derive(Debug)]
pub struct Import {
    /// To the edge.
    pub channel: Channel,
    /// Of staff.
    pub token: MetadataValue<Ascii>,
    /// For rows that name none.
    pub currency: Currency,
}

/// What became of the lines.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Products that are new.
    pub created: u64,
    /// Products that have changed.
    pub updated: u64,
    /// Products that were there as they are.
    pub unchanged: u64,
    /// The lines that were refused, in the file's order.
    pub bad: Vec<Bad>,
}

/// How far an import is.
#[derive(Clone, Copy, Debug)]
pub struct Sent {
    /// Bytes of the file that are dealt with.
    pub bytes: u64,
    /// Lines that are dealt with.
    pub lines: u64,
}

/// Rows that go together, and where in the file they end.
struct Batch {
    rows: Vec<ImportRow>,
    bad: Vec<Bad>,
    end: u64,
}

impl Import {
    /// Imports all of it. `progress` hears of each batch that is done.
    ///
    /// # Errors
    /// When the file cannot be read or the shop goes away; bad lines are in
    /// the report.
    pub async fn run(
        self,
        source: Source,
        mut progress: impl FnMut(Sent),
    ) -> anyhow::Result<Report> {
        let (to_sender, mut batches) = mpsc::channel(BATCHES_AHEAD);
        let currency = self.currency;
        let reading = tokio::task::spawn_blocking(move || read(source, currency, &to_sender));
        // Never more are under way, so sending does not wait.
        let (to_shop, outgoing) = mpsc::channel(BATCHES_AHEAD);
        let mut request = Request::new(ReceiverStream::new(outgoing));
        request.metadata_mut().insert("authorization", self.token);
        let mut client = CatalogServiceClient::new(self.channel);

        let mut report = Report::default();
        let mut lines = 0;
        // The answer to the call may only come with the first message.
        let call = client.import_products(request);
        tokio::pin!(call);
        let mut answers = None;
        let mut under_way: VecDeque<(u64, u64)> = VecDeque::new();
        let mut to_shop = Some(to_shop);
        let mut all_read = false;
        loop {
            let can_send = to_shop.as_ref().filter(|_| under_way.len() < BATCHES_AHEAD);
            tokio::select! {
                started = &mut call, if answers.is_none() => {
                    let response = started.map_err(|status| refused(&status))?;
                    answers = Some(response.into_inner());
                }
                batch = batches.recv(), if can_send.is_some() => {
                    let (Some(Batch { rows, bad, end }), Some(sender)) = (batch, can_send) else {
                        all_read = true;
                        to_shop = None;
                        continue;
                    };
                    lines += bad.len() as u64;
                    report.bad.extend(bad);
                    if rows.is_empty() {
                        continue;
                    }
                    under_way.push_back((rows.len() as u64, end));
                    if sender.send(ImportProductsRequest { rows }).await.is_err() {
                        // The shop's reason comes as its answer.
                        to_shop = None;
                    }
                },
                answer = next(&mut answers), if answers.is_some() => match answer.map_err(|status| refused(&status))? {
                    Some(answer) => {
                        let (count, end) = under_way
                            .pop_front()
                            .context("the shop answered more than it was asked")?;
                        lines += count;
                        report.add(answer);
                        progress(Sent { bytes: end, lines });
                    }
                    None => break,
                },
            }
        }
        if !all_read || !under_way.is_empty() {
            bail!("the shop ended the import early; {lines} lines are in");
        }
        reading.await.context("reading")??;
        report.bad.sort();
        Ok(report)
    }
}

impl Report {
    fn add(&mut self, answer: ImportProductsResponse) {
        self.created += u64::try_from(answer.created).unwrap_or(0);
        self.updated += u64::try_from(answer.updated).unwrap_or(0);
        self.unchanged += u64::try_from(answer.unchanged).unwrap_or(0);
        self.bad.extend(answer.failures.into_iter().map(|failure| {
            Bad::new(
                u64::try_from(failure.line).unwrap_or(0),
                failure.reason,
                failure.message,
            )
        }));
    }
}

type Answers = tonic::Streaming<ImportProductsResponse>;

async fn next(
    answers: &mut Option<Answers>,
) -> Result<Option<ImportProductsResponse>, tonic::Status> {
    match answers {
        Some(answers) => answers.next().await.transpose(),
        None => Ok(None),
    }
}

fn refused(status: &tonic::Status) -> anyhow::Error {
    anyhow::anyhow!("the shop refuses the import: {}", shop::said(status))
}

/// Reads the file to its end, or until nobody wants more.
fn read(source: Source, currency: Currency, batches: &mpsc::Sender<Batch>) -> anyhow::Result<()> {
    let mut rows = Rows::new(source, currency);
    loop {
        let mut batch = Batch {
            rows: Vec::new(),
            bad: Vec::new(),
            end: 0,
        };
        let mut bytes = 0;
        let mut at_end = false;
        while batch.rows.len() + batch.bad.len() < BATCH_ROWS && bytes < BATCH_BYTES {
            match rows.next()? {
                Some(Ok(row)) => {
                    bytes += row.encoded_len();
                    batch.rows.push(row);
                }
                Some(Err(bad)) => batch.bad.push(bad),
                None => {
                    at_end = true;
                    break;
                }
            }
        }
        batch.end = rows.bytes();
        if batches.blocking_send(batch).is_err() || at_end {
            return Ok(());
        }
    }
}
