//! What an operator may set of the fraud screen. Nothing is on by itself.

use std::time::Duration;

use fred::clients::Pool;
use svc_kit::{clock::Clock, secret::Secret};

use super::{Amounts, Fraud, Http, Rules, Screen, VelocityRule};
use crate::store::velocity::{MAX_COUNTED, Velocities};

/// What happens when an order goes to another country than the account's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Mismatch {
    /// Nothing.
    #[default]
    Off,
    /// People look at it.
    Review,
    /// It is refused.
    Refuse,
}

/// Which orders are doubted. Nothing set: none, and nobody is asked.
#[derive(Debug, Clone, clap::Args)]
pub struct FraudConfig {
    /// Totals from which on people look at an order before it is shipped:
    /// "EUR=500.00,JPY=60000".
    #[arg(long, env = "SOUK_FRAUD_REVIEW_AMOUNT")]
    pub fraud_review_amount: Option<Amounts>,
    /// Totals from which on an order is refused: "EUR=5000.00".
    #[arg(long, env = "SOUK_FRAUD_REFUSE_AMOUNT")]
    pub fraud_refuse_amount: Option<Amounts>,
    /// Orders of an account within an hour, after which people look at them.
    #[arg(long, env = "SOUK_FRAUD_VELOCITY_PER_HOUR", value_parser = clap::value_parser!(u32).range(1..i64::from(MAX_COUNTED)))]
    pub fraud_velocity_per_hour: Option<u32>,
    /// What happens when an order goes to another country than the account's.
    #[arg(
        long,
        env = "SOUK_FRAUD_COUNTRY_MISMATCH",
        value_enum,
        default_value = "off"
    )]
    pub fraud_country_mismatch: Mismatch,
    /// An outside service that is asked about each order.
    #[arg(long, env = "SOUK_FRAUD_URL")]
    pub fraud_url: Option<String>,
    /// The key that it wants to see, as a bearer token.
    #[arg(long, env = "SOUK_FRAUD_KEY", hide_env_values = true)]
    pub fraud_key: Option<Secret>,
    /// How long all screens may take together, in milliseconds. Whoever has not
    /// answered by then is done without, and the order is marked for review.
    #[arg(long, env = "SOUK_FRAUD_DEADLINE_MS", default_value_t = 150, value_parser = clap::value_parser!(u64).range(1..=MAX_DEADLINE_MS))]
    pub fraud_deadline_ms: u64,
}

/// The longest deadline: what the answer to a customer may take, and less.
const MAX_DEADLINE_MS: u64 = 3000;

impl FraudConfig {
    /// The screens that are set, cheap ones first.
    ///
    /// # Errors
    /// When the address of the outside service is none.
    pub fn screens(&self, redis: &Pool, clock: &Clock) -> anyhow::Result<Fraud> {
        let mut screens: Vec<Box<dyn Screen>> = Vec::new();
        let rules = Rules {
            review: self.fraud_review_amount.clone().unwrap_or_default(),
            refuse: self.fraud_refuse_amount.clone().unwrap_or_default(),
            mismatch: self.fraud_country_mismatch,
        };
        if self.fraud_review_amount.is_some()
            || self.fraud_refuse_amount.is_some()
            || self.fraud_country_mismatch != Mismatch::Off
        {
            screens.push(Box::new(rules));
        }
        if let Some(per_hour) = self.fraud_velocity_per_hour {
            let requests = Velocities::new(redis.clone());
            screens.push(Box::new(VelocityRule::new(
                requests,
                per_hour,
                clock.clone(),
            )));
        }
        if let Some(url) = &self.fraud_url {
            screens.push(Box::new(Http::new(url, self.fraud_key.clone())?));
        }
        Ok(Fraud::new(
            screens,
            Duration::from_millis(self.fraud_deadline_ms),
        ))
    }
}
