//! Messages and commands of staff.

use proto::souk::order::v1 as pb;
use svc_kit::{error::Invalid, id, page};

use super::{amount, fingerprint, timestamp};
use crate::{
    audit::{self, AuditRecord},
    decide_review::DecideReview,
    list_audit_records::ListAuditRecords,
    list_orders::{DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE},
    list_reviews::ListReviews,
    list_stuck_checkouts::{ListStuckCheckouts, StuckCheckout},
    order::{
        Order, RequestKey, Status,
        returns::{MAX_RETURN_LINES, Return, ReturnedItem},
    },
    product::MAX_QUANTITY,
    return_order::ReturnOrder,
    review::{Decision, Review, ReviewState},
};

impl TryFrom<pb::ReturnOrderRequest> for ReturnOrder {
    type Error = Invalid;

    fn try_from(mut request: pb::ReturnOrderRequest) -> Result<Self, Invalid> {
        let request_id = std::mem::take(&mut request.request_id);
        let request_key = RequestKey {
            id: id::parse("request_id", &request_id)?,
            fingerprint: fingerprint(&request),
        };
        if request.lines.is_empty() || request.lines.len() > MAX_RETURN_LINES {
            return Err(Invalid::new(
                "lines",
                format!("must be 1 to {MAX_RETURN_LINES}"),
            ));
        }
        let refund = request
            .refund
            .as_ref()
            .map(|refund| amount("refund", refund))
            .transpose()?;
        if refund.is_some_and(svc_kit::money::Money::is_negative) {
            return Err(Invalid::new("refund", "must not be negative"));
        }
        Ok(Self {
            order_id: id::parse("id", &request.id)?,
            request: request_key,
            items: request
                .lines
                .iter()
                .map(returned_item)
                .collect::<Result<_, _>>()?,
            refund,
            reason: audit::reason("reason", &request.reason)?,
        })
    }
}

fn returned_item(line: &pb::ReturnLine) -> Result<ReturnedItem, Invalid> {
    if !(1..=MAX_QUANTITY).contains(&line.quantity) {
        return Err(Invalid::new(
            "lines.quantity",
            format!("must be 1 to {MAX_QUANTITY}"),
        ));
    }
    Ok(ReturnedItem {
        product_id: id::parse("lines.product_id", &line.product_id)?,
        quantity: line.quantity,
        restock: line.restock,
    })
}

impl From<Return> for pb::OrderReturn {
    fn from(returned: Return) -> Self {
        Self {
            id: returned.id.to_string(),
            order_id: returned.order_id.to_string(),
            lines: returned
                .items
                .into_iter()
                .map(|item| pb::ReturnLine {
                    product_id: item.product_id.to_string(),
                    quantity: item.quantity,
                    restock: item.restock,
                })
                .collect(),
            refund: Some(returned.refund.into()),
            reason: returned.reason,
            create_time: Some(timestamp(returned.created_at)),
        }
    }
}

impl TryFrom<pb::ListAuditRecordsRequest> for ListAuditRecords {
    type Error = Invalid;

    fn try_from(request: pb::ListAuditRecordsRequest) -> Result<Self, Invalid> {
        let order_id = match request.order_id.as_str() {
            "" => None,
            text => Some(id::parse("order_id", text)?),
        };
        Ok(Self {
            order_id,
            page_size: page::size(request.page_size, DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE)?,
            after: page::decode(&request.page_token)?,
        })
    }
}

impl From<AuditRecord> for pb::AuditRecord {
    fn from(record: AuditRecord) -> Self {
        Self {
            id: record.id.to_string(),
            order_id: record.order_id.to_string(),
            action: record.action.as_str().to_owned(),
            actor_id: record.actor_id.to_string(),
            reason: record.reason,
            create_time: Some(timestamp(record.created_at)),
        }
    }
}

impl From<ReviewState> for pb::ReviewState {
    fn from(state: ReviewState) -> Self {
        match state {
            ReviewState::Pending => Self::Pending,
            ReviewState::Approved => Self::Approved,
            ReviewState::Rejected => Self::Rejected,
        }
    }
}

/// An order with what staff alone see.
pub(in crate::grpc) fn for_staff(order: Order, review: Option<&Review>) -> pb::Order {
    let state = review.map_or(pb::ReviewState::Unspecified, |review| review.state.into());
    pb::Order {
        review_state: state.into(),
        ..order.into()
    }
}

/// A review with its order.
pub(in crate::grpc) fn review((review, order): (Review, Order)) -> pb::OrderReview {
    let order = for_staff(order, Some(&review));
    let decided = review.decided;
    pb::OrderReview {
        order: Some(order),
        account_id: review.account_id.to_string(),
        state: pb::ReviewState::from(review.state).into(),
        reasons: review.reasons,
        create_time: Some(timestamp(review.created_at)),
        decider_id: decided
            .as_ref()
            .map(|decided| decided.by.to_string())
            .unwrap_or_default(),
        decide_time: decided.as_ref().map(|decided| timestamp(decided.at)),
        note: decided.map(|decided| decided.note).unwrap_or_default(),
    }
}

impl TryFrom<pb::ListReviewsRequest> for ListReviews {
    type Error = Invalid;

    fn try_from(request: pb::ListReviewsRequest) -> Result<Self, Invalid> {
        let state = match pb::ReviewState::try_from(request.state) {
            Ok(pb::ReviewState::Unspecified) => None,
            Ok(pb::ReviewState::Pending) => Some(ReviewState::Pending),
            Ok(pb::ReviewState::Approved) => Some(ReviewState::Approved),
            Ok(pb::ReviewState::Rejected) => Some(ReviewState::Rejected),
            Err(_) => return Err(Invalid::new("state", "is unknown")),
        };
        Ok(Self {
            state,
            page_size: page::size(request.page_size, DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE)?,
            after: page::decode(&request.page_token)?,
        })
    }
}

impl TryFrom<pb::DecideReviewRequest> for DecideReview {
    type Error = Invalid;

    fn try_from(request: pb::DecideReviewRequest) -> Result<Self, Invalid> {
        let decision = match pb::ReviewDecision::try_from(request.decision) {
            Ok(pb::ReviewDecision::Approve) => Decision::Approve,
            Ok(pb::ReviewDecision::Reject) => Decision::Reject,
            Ok(pb::ReviewDecision::Unspecified) | Err(_) => {
                return Err(Invalid::new("decision", "must be to approve or to reject"));
            }
        };
        Ok(Self {
            order_id: id::parse("order_id", &request.order_id)?,
            decision,
            note: audit::reason("note", &request.note)?,
        })
    }
}

/// The most seconds that a checkout may be asked to be old: some hundred years.
const MAX_AGE_SECONDS: i64 = 3_200_000_000;

impl TryFrom<pb::ListStuckCheckoutsRequest> for ListStuckCheckouts {
    type Error = Invalid;

    fn try_from(request: pb::ListStuckCheckoutsRequest) -> Result<Self, Invalid> {
        let min_age = request.min_age.unwrap_or_default();
        let min_age = (min_age.seconds <= MAX_AGE_SECONDS)
            .then(|| min_age.try_into().ok())
            .flatten()
            .ok_or_else(|| Invalid::new("min_age", "must not be negative, nor beyond measure"))?;
        Ok(Self {
            min_age,
            page_size: page::size(request.page_size, DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE)?,
            after: page::decode(&request.page_token)?,
        })
    }
}

impl From<StuckCheckout> for pb::StuckCheckout {
    fn from(stuck: StuckCheckout) -> Self {
        let step = match stuck.status {
            Status::Pending => pb::CheckoutStep::Stock,
            Status::Reserved => pb::CheckoutStep::Payment,
            _ => pb::CheckoutStep::Unspecified,
        };
        Self {
            order_id: stuck.order_id.to_string(),
            account_id: stuck.account_id.to_string(),
            step: step.into(),
            create_time: Some(timestamp(stuck.created_at)),
            age: stuck.age.try_into().ok(),
            announcements: stuck.announcements,
            next_check_time: Some(timestamp(stuck.next_check_at)),
            last_error: stuck.last_error.unwrap_or_default(),
        }
    }
}
