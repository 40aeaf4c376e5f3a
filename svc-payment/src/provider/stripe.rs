//! Stripe, by its PaymentIntents: created and confirmed in one call, with our id
//! as the idempotency key and in the metadata. Card data never comes here; the
//! customer's browser gives it to Stripe and sends us a token, `pm_…`.
//!
//! Our payments are charged while nobody is at the keyboard, so a card that asks
//! for the customer's presence is declined.
//!
//! Stripe's id of an intent is kept with the payment as soon as it is known.
//! When the answer that names it was lost, the intent is found by its metadata: by
//! Stripe's search, or among those that were made at that time.
//! What cannot be found for certain is unknown, and never "not found".

mod amount;
mod client;
mod shapes;
pub mod webhook;

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use clap::ValueEnum;
use svc_kit::{db::Db, error, money::Money, secret::Secret};

use self::{
    client::{Client, Failure},
    shapes::{Intent, Listed, Page, RefundObject},
};
use super::{
    Charged, Cursor, Decline, FoundCharge, FoundRefund, Provider, ProviderAway, ProviderName,
    Record, RecordPage, Refunded,
};
use crate::{
    payment::{PaymentId, PaymentToken, SETTLED_AFTER},
    refund::RefundId,
    store::{
        payments::{self, Filed},
        refunds,
    },
};

/// What of Stripe's is asked for.
const INTENTS: &str = "payment_intents";
const REFUNDS: &str = "refunds";

/// So many objects are asked for in one page: the most that Stripe gives.
const PAGE_SIZE: usize = 100;

/// So many pages are read for something whose id is not known. If there are more,
/// what is not among them stays unknown.
const MAX_PAGES: usize = 20;

/// Stripe's clock and ours may differ by so much.
const CLOCK_SKEW: Duration = Duration::from_mins(5);

/// Where Stripe is, who we are there, and when it takes the money.
#[derive(Debug, Clone, clap::Args)]
pub struct StripeConfig {
    /// Where Stripe's API is.
    #[arg(
        long = "stripe-url",
        env = "SOUK_STRIPE_URL",
        default_value = "https://api.stripe.com"
    )]
    pub url: String,
    /// Our secret key at Stripe.
    #[arg(
        long = "stripe-secret-key",
        env = "SOUK_STRIPE_SECRET_KEY",
        hide_env_values = true
    )]
    pub secret_key: Option<Secret>,
    /// What Stripe signs its webhooks with; without it, nobody listens to them.
    #[arg(
        long = "stripe-webhook-secret",
        env = "SOUK_STRIPE_WEBHOOK_SECRET",
        hide_env_values = true
    )]
    pub webhook_secret: Option<Secret>,
    /// When Stripe takes the money.
    #[arg(
        long = "payment-capture",
        env = "SOUK_PAYMENT_CAPTURE",
        default_value = "automatic"
    )]
    pub capture: CaptureMode,
}

/// When the money is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CaptureMode {
    /// In the same call as it is authorized.
    Automatic,
    /// By a call of its own, after it was recorded that it is authorized.
    Manual,
}

impl CaptureMode {
    fn as_str(self) -> &'static str {
        match self {
            Self::Automatic => "automatic",
            Self::Manual => "manual",
        }
    }
}

/// Stripe.
#[derive(Debug, Clone)]
pub struct Stripe {
    client: Client,
    db: Db,
    capture: CaptureMode,
}

/// What was found of an object whose id is not known.
enum Sought<T> {
    Found(T),
    /// All that it could be among was read.
    Absent,
    Unknown,
}

impl Stripe {
    /// Over Stripe's API. `db` keeps its ids beside our payments; it is never
    /// held in a transaction during a call.
    ///
    /// # Errors
    /// When the address cannot be used or there is no key.
    pub fn new(config: &StripeConfig, db: Db) -> anyhow::Result<Self> {
        let key = config
            .secret_key
            .as_ref()
            .filter(|key| !key.expose().is_empty())
            .ok_or_else(|| anyhow::anyhow!("stripe needs SOUK_STRIPE_SECRET_KEY"))?;
        Ok(Self {
            client: Client::new(&config.url, key)?,
            db,
            capture: config.capture,
        })
    }

    /// What we have of a payment; none, and a line in the log, if that is not
    /// known.
    async fn filed(&self, payment_id: PaymentId) -> Option<Filed> {
        match payments::filed(self.db.writer(), payment_id).await {
            Ok(Some(filed)) => Some(filed),
            Ok(None) => {
                tracing::error!(%payment_id, "stripe is asked about a payment that is not ours");
                None
            }
            Err(fault) => {
                tracing::warn!(error = error::chain(&fault), "a payment is not read");
                None
            }
        }
    }

    /// Keeps Stripe's id of a payment's intent. If that fails, it is found again.
    async fn keep(&self, payment_id: PaymentId, intent: &Intent) {
        let name = self.name();
        let kept = payments::note_reference(self.db.writer(), payment_id, name, &intent.id).await;
        if let Err(fault) = kept {
            tracing::warn!(
                error = error::chain(&fault),
                "stripe's id of a payment is not kept"
            );
        }
    }

    /// A payment's intent.
    async fn intent(&self, payment_id: PaymentId, filed: &Filed) -> Sought<Intent> {
        let Some(reference) = &filed.reference else {
            let sought = self.seek_intent(payment_id, filed).await;
            if let Sought::Found(intent) = &sought {
                self.keep(payment_id, intent).await;
            }
            return sought;
        };
        match self.client.get(&[INTENTS, reference], &[]).await {
            Ok(intent) if Intent::is_of(&intent, payment_id) => Sought::Found(intent),
            Ok(_) | Err(Failure::Refused(_)) => {
                tracing::error!(%payment_id, "stripe's id of a payment is not its own");
                match self.seek_intent(payment_id, filed).await {
                    // Somebody has seen one: it is not certain that there is none.
                    Sought::Absent => Sought::Unknown,
                    sought => sought,
                }
            }
            Err(Failure::Unknown) => Sought::Unknown,
        }
    }

    /// Looks for an intent of this payment: by Stripe's search, which finds one
    /// among any number, and otherwise among all that were made when it can have
    /// been.
    async fn seek_intent(&self, payment_id: PaymentId, filed: &Filed) -> Sought<Intent> {
        if let Some(id) = self.search_intent(payment_id).await {
            // The search may show it as it was: it is read.
            return match self.client.get(&[INTENTS, &id], &[]).await {
                Ok(intent) if Intent::is_of(&intent, payment_id) => Sought::Found(intent),
                _ => Sought::Unknown,
            };
        }
        let (from, until) = charged_within(filed);
        let (from, until) = (from.to_string(), until.map(|until| until.to_string()));
        let mut filter = vec![("created[gte]", from.as_str())];
        filter.extend(until.as_deref().map(|until| ("created[lte]", until)));
        let is = |intent: &Intent| intent.is_of(payment_id);
        self.seek(INTENTS, &filter, is).await
    }

    /// What Stripe's search finds is there. What it does not find may be too new
    /// for it, or there is no search where we are.
    async fn search_intent(&self, payment_id: PaymentId) -> Option<String> {
        let query = shapes::search_for(payment_id);
        let found = self
            .client
            .get::<Page<Intent>>(&[INTENTS, "search"], &[("query", &query)])
            .await
            .ok()?;
        let mut intents = found.data.into_iter();
        let found = intents.find(|intent| intent.is_of(payment_id))?;
        Some(found.id)
    }

    /// What became of a refund at this try, by the refunds of its intent.
    async fn seek_refund(&self, refund_id: RefundId, retry: u32, intent: &str) -> FoundRefund {
        let tells = |refund: &RefundObject| refund.tells_of(refund_id, retry);
        match self
            .seek(REFUNDS, &[("payment_intent", intent)], tells)
            .await
        {
            Sought::Found(refund) => refund.refunded().into(),
            Sought::Absent => FoundRefund::NotFound,
            Sought::Unknown => FoundRefund::Unknown,
        }
    }

    /// Reads all that passes the filter until something is found.
    async fn seek<T: Listed>(
        &self,
        path: &str,
        filter: &[(&str, &str)],
        is: impl Fn(&T) -> bool,
    ) -> Sought<T> {
        let limit = PAGE_SIZE.to_string();
        let mut after: Option<String> = None;
        for _ in 0..MAX_PAGES {
            let mut query = vec![("limit", limit.as_str())];
            query.extend(filter);
            query.extend(after.as_deref().map(|id| ("starting_after", id)));
            let page: Page<T> = match self.client.get(&[path], &query).await {
                Ok(page) => page,
                Err(_) => return Sought::Unknown,
            };
            let last = page.data.last().map(|last| last.id().to_owned());
            after = last.filter(|_| page.has_more);
            if let Some(found) = page.data.into_iter().find(&is) {
                return Sought::Found(found);
            }
            if after.is_none() {
                return Sought::Absent;
            }
        }
        tracing::warn!(
            path,
            pages = MAX_PAGES,
            "not found on the pages that are read"
        );
        Sought::Unknown
    }

    /// Changes an intent that is there: `capture` or `cancel`. Either has its
    /// effect once by its nature, so it needs no idempotency key.
    async fn change(&self, payment_id: PaymentId, change: &str) -> FoundCharge {
        let Some(filed) = self.filed(payment_id).await else {
            return FoundCharge::Unknown;
        };
        let intent = match self.intent(payment_id, &filed).await {
            Sought::Found(intent) => intent,
            Sought::Absent => return FoundCharge::NotFound,
            Sought::Unknown => return FoundCharge::Unknown,
        };
        let path = [INTENTS, &intent.id, change];
        match self.client.post::<Intent>(&path, &[], None).await {
            Ok(changed) => changed.outcome(filed.amount),
            Err(Failure::Refused(refusal)) if refusal.is_decline() => {
                FoundCharge::Declined(refusal.decline())
            }
            // It was in another state by then: that is looked up.
            Err(_) => FoundCharge::Unknown,
        }
    }
}

/// When Stripe can have made the intent of a payment, by its own clock, in
/// seconds since the epoch: not before the payment was requested, and soon after
/// the last charge that was sent. The key of a charge stays the same, so no later
/// one makes another.
fn charged_within(filed: &Filed) -> (i64, Option<i64>) {
    let from = filed.create_time - CLOCK_SKEW;
    let until = filed
        .last_charge_time
        .map(|charged| charged + SETTLED_AFTER + CLOCK_SKEW);
    (from.timestamp(), until.map(|until| until.timestamp()))
}

/// The idempotency key of one try of a refund. Stripe keeps its answer to a key
/// for a day, a refusal as well, so each try after a refusal has its own; it
/// stays the same as long as nobody knows what became of that try.
fn refund_key(refund_id: RefundId, retry: u32) -> String {
    match retry {
        0 => refund_id.to_string(),
        retry => format!("{refund_id}:{retry}"),
    }
}

#[async_trait]
impl Provider for Stripe {
    fn name(&self) -> ProviderName {
        ProviderName::Stripe
    }

    async fn charge(&self, payment_id: PaymentId, amount: Money, token: &PaymentToken) -> Charged {
        let Some(filed) = self.filed(payment_id).await else {
            return Charged::Unknown;
        };
        let Some(theirs) = amount::to_stripe(amount) else {
            tracing::error!(%payment_id, %amount, "stripe cannot take this amount");
            return Charged::Declined(Decline::AmountUnsupported);
        };
        let key = payment_id.to_string();
        let theirs = theirs.to_string();
        let currency = amount.currency.code().to_ascii_lowercase();
        let order_id = filed.order_id.to_string();
        let form = [
            ("amount", theirs.as_str()),
            ("currency", &currency),
            ("payment_method", token.expose()),
            ("payment_method_types[]", "card"),
            ("capture_method", self.capture.as_str()),
            ("confirm", "true"),
            ("off_session", "true"),
            (shapes::PAYMENT_ID_FIELD, &key),
            (shapes::ORDER_ID_FIELD, &order_id),
        ];
        match self
            .client
            .post::<Intent>(&[INTENTS], &form, Some(&key))
            .await
        {
            Ok(intent) if !intent.is_of(payment_id) || !intent.is_over(amount) => {
                tracing::error!(%payment_id, "stripe has charged something else");
                Charged::Unknown
            }
            Ok(intent) => {
                self.keep(payment_id, &intent).await;
                intent.charged(amount)
            }
            Err(Failure::Refused(refusal)) => {
                if let Some(intent) = &refusal.intent {
                    self.keep(payment_id, intent).await;
                }
                Charged::Declined(refusal.decline())
            }
            Err(Failure::Unknown) => Charged::Unknown,
        }
    }

    async fn look_up(&self, payment_id: PaymentId) -> FoundCharge {
        let Some(filed) = self.filed(payment_id).await else {
            return FoundCharge::Unknown;
        };
        match self.intent(payment_id, &filed).await {
            Sought::Found(intent) => intent.outcome(filed.amount),
            Sought::Absent => FoundCharge::NotFound,
            Sought::Unknown => FoundCharge::Unknown,
        }
    }

    async fn capture(&self, payment_id: PaymentId, _amount: Money) -> FoundCharge {
        match self.change(payment_id, "capture").await {
            // It took the call and did not capture: it is asked after a pause.
            FoundCharge::Authorized => FoundCharge::Unknown,
            other => other,
        }
    }

    async fn void(&self, payment_id: PaymentId) -> FoundCharge {
        match self.change(payment_id, "cancel").await {
            FoundCharge::Authorized => FoundCharge::Unknown,
            other => other,
        }
    }

    async fn refund(&self, refund_id: RefundId, payment_id: PaymentId, amount: Money) -> Refunded {
        let Some(theirs) = amount::to_stripe(amount) else {
            tracing::error!(%refund_id, %amount, "stripe cannot give this amount back");
            return Refunded::Refused;
        };
        let Some(filed) = self.filed(payment_id).await else {
            return Refunded::Unknown;
        };
        let intent = match self.intent(payment_id, &filed).await {
            Sought::Found(intent) => intent,
            Sought::Absent => return Refunded::Refused,
            Sought::Unknown => return Refunded::Unknown,
        };
        let retry = match refunds::filed(self.db.writer(), refund_id).await {
            Ok(refund) => refund.map_or(0, |refund| refund.retries),
            Err(fault) => {
                tracing::warn!(error = error::chain(&fault), "a refund is not read");
                return Refunded::Unknown;
            }
        };
        // An earlier try may have been made after all: it is not made again.
        match self.seek_refund(refund_id, retry, &intent.id).await {
            FoundRefund::Refunded => return Refunded::Refunded,
            FoundRefund::Refused => return Refunded::Refused,
            FoundRefund::Unknown => return Refunded::Unknown,
            FoundRefund::NotFound => {}
        }
        let (id, theirs) = (refund_id.to_string(), theirs.to_string());
        let (of, number) = (payment_id.to_string(), retry.to_string());
        let mut form = vec![
            ("payment_intent", intent.id.as_str()),
            ("amount", &theirs),
            (shapes::REFUND_ID_FIELD, &id),
            (shapes::PAYMENT_ID_FIELD, &of),
        ];
        if retry > 0 {
            form.push((shapes::REFUND_RETRY_FIELD, &number));
        }
        let key = refund_key(refund_id, retry);
        let answer = self
            .client
            .post::<RefundObject>(&[REFUNDS], &form, Some(&key));
        match answer.await {
            Ok(refund) => refund.refunded(),
            Err(Failure::Refused(_)) => Refunded::Refused,
            Err(Failure::Unknown) => Refunded::Unknown,
        }
    }

    async fn look_up_refund(&self, refund_id: RefundId) -> FoundRefund {
        let refund = match refunds::filed(self.db.writer(), refund_id).await {
            Ok(Some(refund)) => refund,
            Ok(None) => return FoundRefund::NotFound,
            Err(fault) => {
                tracing::warn!(error = error::chain(&fault), "a refund is not read");
                return FoundRefund::Unknown;
            }
        };
        let Some(filed) = self.filed(refund.payment_id).await else {
            return FoundRefund::Unknown;
        };
        match self.intent(refund.payment_id, &filed).await {
            Sought::Found(intent) => {
                self.seek_refund(refund_id, refund.retries, &intent.id)
                    .await
            }
            Sought::Absent => FoundRefund::NotFound,
            Sought::Unknown => FoundRefund::Unknown,
        }
    }

    /// All intents, then all refunds, each newest first: the cursor is the list
    /// and Stripe's id of the last one.
    async fn list(
        &self,
        from: DateTime<Utc>,
        until: DateTime<Utc>,
        after: Option<Cursor>,
    ) -> Result<RecordPage, ProviderAway> {
        let cursor = after.map_or_else(|| format!("{INTENTS}/"), |Cursor(text)| text);
        let (path, last) = cursor.split_once('/').unwrap_or_default();
        let last = Some(last).filter(|last| !last.is_empty());
        let (records, more) = match path {
            INTENTS => {
                self.listed(INTENTS, from, until, last, Intent::record)
                    .await?
            }
            REFUNDS => {
                self.listed(REFUNDS, from, until, last, RefundObject::record)
                    .await?
            }
            _ => return Err(ProviderAway("the cursor is none of stripe's".to_owned())),
        };
        let next = match more {
            Some(last) => Some(format!("{path}/{last}")),
            None if path == INTENTS => Some(format!("{REFUNDS}/")),
            None => None,
        };
        Ok(RecordPage {
            records,
            next: next.map(Cursor),
        })
    }
}

impl Stripe {
    /// A page of a list, and where that list goes on.
    async fn listed<T: Listed>(
        &self,
        path: &str,
        from: DateTime<Utc>,
        until: DateTime<Utc>,
        after: Option<&str>,
        record: impl Fn(&T) -> Option<Record>,
    ) -> Result<(Vec<Record>, Option<String>), ProviderAway> {
        let limit = PAGE_SIZE.to_string();
        let (from, until) = (from.timestamp().to_string(), until.timestamp().to_string());
        let mut query = vec![
            ("limit", limit.as_str()),
            ("created[gte]", &from),
            ("created[lt]", &until),
        ];
        query.extend(after.map(|id| ("starting_after", id)));
        let page: Page<T> = self
            .client
            .get(&[path], &query)
            .await
            .map_err(|_| ProviderAway(format!("stripe does not list its {path}")))?;
        let records: Option<Vec<Record>> = page.data.iter().map(record).collect();
        let records =
            records.ok_or_else(|| ProviderAway(format!("stripe's {path} make no sense")))?;
        let last = page.data.last().map(|last| last.id().to_owned());
        Ok((records, last.filter(|_| page.has_more)))
    }
}

impl Decline {
    /// What a code of Stripe's means, with the code of the card's issuer.
    fn of_stripe(code: Option<&str>, decline_code: Option<&str>) -> Self {
        match (code, decline_code) {
            (_, Some("insufficient_funds")) => Self::FundsInsufficient,
            (Some("expired_card"), _) | (_, Some("expired_card")) => Self::CardExpired,
            (Some("authentication_required" | "payment_intent_authentication_failure"), _)
            | (_, Some("authentication_required")) => Self::AuthenticationRequired,
            (
                Some(
                    "incorrect_number"
                    | "invalid_number"
                    | "incorrect_cvc"
                    | "invalid_cvc"
                    | "invalid_expiry_month"
                    | "invalid_expiry_year"
                    | "resource_missing",
                ),
                _,
            ) => Self::TokenInvalid,
            _ => Self::Declined,
        }
    }
}
