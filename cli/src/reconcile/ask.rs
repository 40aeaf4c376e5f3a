//! Asks the shop, as staff, through the edge.

use std::time::Duration;

use anyhow::bail;
use proto::souk::payment::v1::payment_service_client::PaymentServiceClient;
use proto::souk::payment::v1::{
    GetReconciliationRequest, ListDiscrepanciesRequest, ReconcileRequest, Reconciliation,
    ResolveDiscrepancyRequest,
};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::Channel;
use tonic::{Request, Status};

use super::line::Line;
use crate::shop;

/// Between two questions whether it is done.
const ASK_EVERY: Duration = Duration::from_millis(250);
/// Discrepancies of a page.
const PAGE_SIZE: i32 = 500;
/// The most discrepancies that are shown of a day. Where more do not agree, it
/// is not one of them that is wrong.
const MAX_LINES: usize = 100_000;

/// A member of staff at a shop.
#[derive(Debug)]
pub struct Staff {
    client: PaymentServiceClient<Channel>,
    token: MetadataValue<Ascii>,
}

/// A day that was compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reconciled {
    /// The day.
    pub date: String,
    /// With whom, and how many of their records were read.
    pub providers: Vec<(String, i64)>,
    /// What does not agree, and what did not once, newest first.
    pub discrepancies: Vec<Line>,
}

impl Reconciled {
    /// How many somebody has to look at.
    pub fn open(&self) -> usize {
        self.discrepancies
            .iter()
            .filter(|line| line.state == "open")
            .count()
    }
}

impl Staff {
    /// With the token of a staff account.
    pub fn new(channel: Channel, token: MetadataValue<Ascii>) -> Self {
        Self {
            client: PaymentServiceClient::new(channel),
            token,
        }
    }

    /// Has a day compared, yesterday if it is empty, and waits until it is done.
    ///
    /// # Errors
    /// What the shop has against it.
    pub async fn reconcile(&mut self, date: &str) -> anyhow::Result<Reconciled> {
        let date = date.to_owned();
        let request = self.say(ReconcileRequest { date });
        let answer = self.client.reconcile(request).await;
        let mut compared = answer.map_err(|status| refused(&status))?.into_inner();
        if compared.runs.is_empty() {
            bail!("the shop has no payment provider");
        }
        while !is_done(&compared) {
            tokio::time::sleep(ASK_EVERY).await;
            let request = self.say(GetReconciliationRequest {
                date: compared.date.clone(),
            });
            let answer = self.client.get_reconciliation(request).await;
            compared = answer.map_err(|status| refused(&status))?.into_inner();
        }
        Ok(Reconciled {
            discrepancies: self.discrepancies(&compared.date).await?,
            providers: compared
                .runs
                .into_iter()
                .map(|run| (run.provider, run.records))
                .collect(),
            date: compared.date,
        })
    }

    /// Closes a discrepancy.
    ///
    /// # Errors
    /// What the shop has against it.
    pub async fn resolve(&mut self, id: &str, reason: &str) -> anyhow::Result<Line> {
        let request = self.say(ResolveDiscrepancyRequest {
            id: id.to_owned(),
            reason: reason.to_owned(),
        });
        let answer = self.client.resolve_discrepancy(request).await;
        Ok(answer
            .map_err(|status| refused(&status))?
            .into_inner()
            .into())
    }

    async fn discrepancies(&mut self, date: &str) -> anyhow::Result<Vec<Line>> {
        let mut lines = Vec::new();
        let mut page_token = String::new();
        loop {
            let request = self.say(ListDiscrepanciesRequest {
                date: date.to_owned(),
                page_size: PAGE_SIZE,
                page_token,
                ..ListDiscrepanciesRequest::default()
            });
            let answer = self.client.list_discrepancies(request).await;
            let page = answer.map_err(|status| refused(&status))?.into_inner();
            lines.extend(page.discrepancies.into_iter().map(Line::from));
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return Ok(lines);
            }
            if lines.len() >= MAX_LINES {
                bail!("more than {MAX_LINES} records of {date} do not agree");
            }
        }
    }

    fn say<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request
            .metadata_mut()
            .insert("authorization", self.token.clone());
        request
    }
}

fn is_done(compared: &Reconciliation) -> bool {
    compared.runs.iter().all(|run| run.finished)
}

fn refused(status: &Status) -> anyhow::Error {
    anyhow::anyhow!("the shop refuses: {}", shop::said(status))
}
