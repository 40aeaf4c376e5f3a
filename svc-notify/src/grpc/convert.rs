//! Between the contract's messages and the domain.

use chrono::{DateTime, Utc};
use proto::souk::notify::v1 as pb;
use svc_kit::page;

use crate::{
    delivery::{Delivery, Status},
    list_deliveries::Page,
};

impl From<Delivery> for pb::Delivery {
    fn from(delivery: Delivery) -> Self {
        Self {
            id: delivery.id.to_string(),
            template: delivery.template.as_str().to_owned(),
            subject: delivery.subject,
            status: pb::DeliveryStatus::from(delivery.status).into(),
            order_id: delivery
                .order_id
                .map(|id| id.to_string())
                .unwrap_or_default(),
            create_time: Some(timestamp(delivery.create_time)),
            sent_time: delivery.sent_time.map(timestamp),
        }
    }
}

impl From<Status> for pb::DeliveryStatus {
    fn from(status: Status) -> Self {
        match status {
            Status::Queued => Self::Queued,
            Status::Sent => Self::Sent,
            Status::Failed => Self::Failed,
        }
    }
}

impl From<Page> for pb::ListDeliveriesResponse {
    fn from(page: Page) -> Self {
        Self {
            deliveries: page.deliveries.into_iter().map(Into::into).collect(),
            next_page_token: page.next.map(|id| page::encode(&id)).unwrap_or_default(),
        }
    }
}

fn timestamp(time: DateTime<Utc>) -> prost_types::Timestamp {
    prost_types::Timestamp {
        seconds: time.timestamp(),
        nanos: i32::try_from(time.timestamp_subsec_nanos()).unwrap_or_default(),
    }
}
