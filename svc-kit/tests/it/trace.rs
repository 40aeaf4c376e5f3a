//! One trace spans what one transaction caused in another service.

use std::sync::{Arc, Mutex};

use opentelemetry::trace::TracerProvider as _;
use proto::souk::event::v1::AccountRegistered;
use sqlx::{PgConnection, PgPool};
use svc_kit::{
    consumer::{ConsumeError, Consumer},
    telemetry::current_traceparent,
};
use tracing::Instrument as _;
use tracing_subscriber::layer::SubscriberExt as _;

use crate::support::{Kit, consumers::Running, some_order, until};

struct Traced {
    ours: String,
    trace: Arc<Mutex<Option<String>>>,
}

impl Consumer for Traced {
    type Event = AccountRegistered;
    const NAME: &'static str = "test-kit-traced";

    async fn handle(
        &self,
        _: &mut PgConnection,
        event: AccountRegistered,
    ) -> Result<(), ConsumeError> {
        if event.account_id == self.ours {
            *self.trace.lock().unwrap() = current_traceparent();
        }
        Ok(())
    }
}

fn trace_id(traceparent: &str) -> &str {
    traceparent.split('-').nth(1).unwrap()
}

#[sqlx::test(migrator = "svc_kit::outbox::MIGRATIONS")]
async fn a_handler_continues_the_trace_of_the_transaction(pool: PgPool) {
    let provider = opentelemetry_sdk::trace::SdkTracerProvider::builder().build();
    let subscriber = tracing_subscriber::registry()
        .with(tracing_opentelemetry::layer().with_tracer(provider.tracer("test")));
    let _guard = tracing::subscriber::set_default(subscriber);
    let kit = Kit::new(pool).await;
    let (account_id, trace) = (some_order(), Arc::<Mutex<Option<String>>>::default());
    let running = Running::start(
        &kit,
        Traced {
            ours: account_id.clone(),
            trace: trace.clone(),
        },
    )
    .await;

    let announced = async {
        kit.announce(&AccountRegistered {
            account_id,
            ..AccountRegistered::default()
        })
        .await;
        current_traceparent().unwrap()
    }
    .instrument(tracing::info_span!("register"))
    .await;

    until("it is handled", || async {
        trace.lock().unwrap().is_some()
    })
    .await;
    let handled = trace.lock().unwrap().clone().unwrap();
    assert_eq!(trace_id(&handled), trace_id(&announced));
    assert_ne!(handled, announced, "in a span of its own");
    running.end::<Traced>().await;
}
