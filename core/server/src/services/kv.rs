//! KV.

use super::{Services, caller};
use crate::{
    convert,
    proto::etcdserverpb::{self as pb, kv_server::Kv},
};
use tonic::{Request as Call, Response as Reply, Status};
use whitewater_api::{Body, Request};

#[tonic::async_trait]
impl Kv for Services {
    async fn range(
        &self,
        call: Call<pb::RangeRequest>,
    ) -> Result<Reply<pb::RangeResponse>, Status> {
        let caller = caller(&call);
        let request = Request::Range(convert::range_request(call.into_inner())?);
        let response = self.ask(caller, request).await?;
        let Body::Range(range) = response.body else { return convert::unexpected() };
        Ok(Reply::new(convert::range_response(&response.header, range)))
    }

    async fn put(&self, call: Call<pb::PutRequest>) -> Result<Reply<pb::PutResponse>, Status> {
        let caller = caller(&call);
        let request = Request::Put(convert::put_request(call.into_inner()));
        let response = self.ask(caller, request).await?;
        let Body::Put(put) = response.body else { return convert::unexpected() };
        Ok(Reply::new(convert::put_response(&response.header, put)))
    }

    async fn delete_range(
        &self,
        call: Call<pb::DeleteRangeRequest>,
    ) -> Result<Reply<pb::DeleteRangeResponse>, Status> {
        let caller = caller(&call);
        let request = Request::DeleteRange(convert::delete_request(call.into_inner()));
        let response = self.ask(caller, request).await?;
        let Body::DeleteRange(delete) = response.body else { return convert::unexpected() };
        Ok(Reply::new(convert::delete_response(&response.header, delete)))
    }

    async fn txn(&self, call: Call<pb::TxnRequest>) -> Result<Reply<pb::TxnResponse>, Status> {
        let caller = caller(&call);
        let request = Request::Txn(convert::txn_request(call.into_inner())?);
        let response = self.ask(caller, request).await?;
        let Body::Txn(txn) = response.body else { return convert::unexpected() };
        Ok(Reply::new(convert::txn_response(&response.header, txn)))
    }

    async fn compact(
        &self,
        call: Call<pb::CompactionRequest>,
    ) -> Result<Reply<pb::CompactionResponse>, Status> {
        let caller = caller(&call);
        let request = Request::Compact(convert::compact_request(call.get_ref()));
        let response = self.ask(caller, request).await?;
        Ok(Reply::new(pb::CompactionResponse { header: convert::header(&response.header) }))
    }
}
