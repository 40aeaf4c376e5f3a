//! Messages and commands of staff.

use proto::souk::order::v1 as pb;
use svc_kit::{error::Invalid, id, page};

use super::{amount, fingerprint, timestamp};
use crate::{
    audit::{self, AuditRecord},
    list_audit_records::ListAuditRecords,
    list_orders::{DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE},
    order::{
        RequestKey,
        returns::{MAX_RETURN_LINES, Return, ReturnedItem},
    },
    product::MAX_QUANTITY,
    return_order::ReturnOrder,
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
