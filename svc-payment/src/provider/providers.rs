//! The providers of this process, and who of them is given a new charge.

use std::{fmt, future::Future, sync::Arc, sync::LazyLock, time::Duration};

use prometheus::{IntCounterVec, IntGaugeVec};
use svc_kit::{breaker::Breaker, metrics};

use super::{DEADLINE, FoundCharge, FoundRefund, Provider, ProviderName};

/// So many unknown outcomes in a row open a provider's breaker.
pub const BREAKER_TRIPS_AFTER: u32 = 5;

/// How long a breaker stays open before one new charge may try.
pub const BREAKER_PAUSE: Duration = Duration::from_secs(30);

static CALLS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    metrics::counter(
        "payment_provider_calls_total",
        "Calls to a payment provider, by provider, call and answer.",
        &["provider", "call", "answer"],
    )
});

static OPEN: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    metrics::gauge(
        "payment_provider_breaker_open",
        "Whether new charges avoid a payment provider.",
        &["provider"],
    )
});

/// What a provider may answer.
pub trait Answer: Copy + PartialEq + Send {
    /// Nobody knows.
    const UNKNOWN: Self;

    /// As it is recorded.
    fn as_str(self) -> &'static str;
}

impl Answer for FoundCharge {
    const UNKNOWN: Self = Self::Unknown;

    fn as_str(self) -> &'static str {
        self.as_str()
    }
}

impl Answer for FoundRefund {
    const UNKNOWN: Self = Self::Unknown;

    fn as_str(self) -> &'static str {
        self.as_str()
    }
}

/// A provider, and whether it answers of late.
pub struct Watched {
    provider: Arc<dyn Provider>,
    breaker: Breaker,
}

impl Watched {
    fn new(provider: Arc<dyn Provider>) -> Self {
        let watched = Self {
            provider,
            breaker: Breaker::new(BREAKER_TRIPS_AFTER, BREAKER_PAUSE),
        };
        watched.measure();
        watched
    }

    /// The provider itself. What it is asked goes through [`Self::answer`].
    pub fn provider(&self) -> &dyn Provider {
        &*self.provider
    }

    /// Waits for an answer of the provider. None in time is an unknown outcome.
    pub async fn answer<A: Answer>(&self, call: &str, answer: impl Future<Output = A>) -> A {
        let answer = tokio::time::timeout(DEADLINE, answer)
            .await
            .unwrap_or(A::UNKNOWN);
        let name = self.provider.name();
        CALLS
            .with_label_values(&[name.as_str(), call, answer.as_str()])
            .inc();
        if answer != A::UNKNOWN {
            self.breaker.succeeded();
        } else if self.breaker.failed() {
            tracing::warn!(provider = %name, "the payment provider does not answer");
        }
        self.measure();
        tracing::info!(
            provider = %name,
            call,
            answer = answer.as_str(),
            "provider asked"
        );
        answer
    }

    fn measure(&self) {
        OPEN.with_label_values(&[self.provider.name().as_str()])
            .set(self.breaker.is_open().into());
    }
}

/// The providers of this process. Cheap to clone; clones share what is known of
/// them.
#[derive(Clone)]
pub struct Providers(Arc<Inner>);

struct Inner {
    primary: Watched,
    fallback: Option<Watched>,
}

impl fmt::Debug for Providers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.all().map(|one| one.provider.name()).collect();
        f.debug_tuple("Providers").field(&names).finish()
    }
}

impl From<Arc<dyn Provider>> for Providers {
    fn from(provider: Arc<dyn Provider>) -> Self {
        Self::new(provider, None)
    }
}

impl Providers {
    /// One that is given all new charges, and perhaps another that is given them
    /// while the first does not answer.
    pub fn new(primary: Arc<dyn Provider>, fallback: Option<Arc<dyn Provider>>) -> Self {
        Self(Arc::new(Inner {
            primary: Watched::new(primary),
            fallback: fallback.map(Watched::new),
        }))
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &Watched> {
        std::iter::once(&self.0.primary).chain(&self.0.fallback)
    }

    /// The one of this name, if this process has it.
    pub fn get(&self, name: ProviderName) -> Option<&Watched> {
        let found = self.all().find(|one| one.provider.name() == name);
        if found.is_none() {
            tracing::error!(provider = %name, "a payment lies with a provider that is not configured");
        }
        found
    }

    /// Who is given a charge that nobody has been asked for yet.
    pub fn for_new_charge(&self) -> ProviderName {
        let Inner { primary, fallback } = &*self.0;
        let chosen = match fallback {
            Some(fallback) if !primary.breaker.admits() => fallback,
            _ => primary,
        };
        chosen.provider.name()
    }
}
