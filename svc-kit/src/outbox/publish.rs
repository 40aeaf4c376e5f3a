//! Hands rows to JetStream, so that the order of each aggregate stands
//! whatever fails. It deletes nothing.

use std::collections::HashMap;

use async_nats::jetstream::{
    context::{PublishAckFuture, PublishError},
    message::PublishMessage,
};
use futures::{StreamExt as _, stream::FuturesUnordered};

use super::{RelayError, store::Row};
use crate::{
    fault::{self, Point},
    nats::{
        Nats,
        headers::{self, Envelope},
    },
};

/// Publishes rows in waves, each with at most one row of an aggregate, and
/// waits for a wave's acknowledgements before the next one. A connection
/// that breaks can lose one message and deliver the one after it; this way
/// those two are never of the same aggregate. Stops after the first wave
/// with a failure, and as soon as the connection is lost: the acknowledgements
/// that it owed never come.
pub(super) async fn in_order(nats: &Nats, rows: Vec<Row>) -> (Vec<Row>, Option<RelayError>) {
    let mut acknowledged = Vec::with_capacity(rows.len());
    let mut connections = nats.connections();
    for wave in waves(rows) {
        if !nats.is_connected() {
            return (acknowledged, Some(RelayError::NatsAway));
        }
        let mut failed = None;
        let sent = FuturesUnordered::new();
        for row in wave {
            fault::passed(Point::OutboxBeforePublish);
            if fault::loses() {
                acknowledged.push(row);
                continue;
            }
            match send(nats, &row).await {
                Ok(ack) => sent.push(async move { (row, ack.await) }),
                Err(source) => {
                    failed = Some(RelayError::Publish {
                        subject: row.subject,
                        source,
                    });
                    break;
                }
            }
        }
        tokio::pin!(sent);
        loop {
            let answer = tokio::select! {
                biased;
                answer = sent.next() => answer,
                () = connections.over() => {
                    failed = Some(RelayError::NatsAway);
                    None
                }
            };
            match answer {
                Some((row, Ok(_))) => acknowledged.push(row),
                Some((row, Err(source))) => {
                    failed.get_or_insert(RelayError::Publish {
                        subject: row.subject,
                        source,
                    });
                }
                None => break,
            }
        }
        if failed.is_some() {
            return (acknowledged, failed);
        }
    }
    (acknowledged, None)
}

async fn send(nats: &Nats, row: &Row) -> Result<PublishAckFuture, PublishError> {
    let mut headers = Envelope {
        event_id: Some(row.id),
        r#type: row.r#type.clone(),
        time: Some(row.create_time),
        aggregate_id: row.aggregate_id.clone(),
        trace_parent: row.trace_parent.clone(),
        replay_for: None,
    }
    .write();
    headers.insert(headers::MESSAGE_ID, row.id.to_string());
    let message = PublishMessage::build()
        .payload(row.payload.clone().into())
        .headers(headers);
    nats.jetstream()
        .send_publish(row.subject.clone(), message)
        .await
}

/// Splits rows so that no wave has two of one aggregate, and the order of each
/// aggregate stands.
fn waves(rows: Vec<Row>) -> Vec<Vec<Row>> {
    let mut waves: Vec<Vec<Row>> = Vec::new();
    let mut seen: HashMap<String, usize> = HashMap::new();
    for row in rows {
        let wave = seen
            .entry(row.aggregate_id.clone())
            .and_modify(|wave| *wave += 1)
            .or_insert(0);
        match waves.get_mut(*wave) {
            Some(wave) => wave.push(row),
            None => waves.push(vec![row]),
        }
    }
    waves
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn row(n: u128, aggregate_id: &str) -> Row {
        Row {
            id: Uuid::from_u128(n),
            subject: String::new(),
            r#type: String::new(),
            aggregate_id: aggregate_id.to_owned(),
            payload: Vec::new(),
            trace_parent: None,
            create_time: chrono::DateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn no_wave_has_two_rows_of_one_aggregate_and_each_aggregate_keeps_its_order() {
        let rows = vec![
            row(1, "a"),
            row(2, "b"),
            row(3, "a"),
            row(4, "c"),
            row(5, "a"),
            row(6, "b"),
        ];
        let waves: Vec<Vec<u128>> = waves(rows)
            .iter()
            .map(|wave| wave.iter().map(|row| row.id.as_u128()).collect())
            .collect();
        assert_eq!(waves, [vec![1, 2, 4], vec![3, 6], vec![5]]);
    }
}
