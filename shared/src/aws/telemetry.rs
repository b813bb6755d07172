//! What the SDK reports about itself with each request.

use aws_runtime::{
    invocation_id::InvocationIdInterceptor, request_info::RequestInfoInterceptor,
    user_agent::UserAgentInterceptor,
};
use aws_smithy_runtime_api::{
    box_error::BoxError,
    client::interceptors::{
        Intercept, context::BeforeSerializationInterceptorContextRef, disable_interceptor,
        dyn_dispatch_hint,
    },
};
use aws_smithy_types::config_bag::ConfigBag;

/// Turns off the headers that name the SDK, the call and the attempt. AWS needs none of them to answer.
/// Making, signing and sending them takes a tenth of a read's CPU time.
#[derive(Debug)]
pub(super) struct NoTelemetry;

#[dyn_dispatch_hint]
impl Intercept for NoTelemetry {
    fn name(&self) -> &'static str {
        "NoTelemetry"
    }

    fn read_before_execution(
        &self,
        _: &BeforeSerializationInterceptorContextRef<'_>,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        config
            .interceptor_state()
            .store_put(disable_interceptor::<UserAgentInterceptor>(REASON))
            .store_put(disable_interceptor::<InvocationIdInterceptor>(REASON))
            .store_put(disable_interceptor::<RequestInfoInterceptor>(REASON));
        Ok(())
    }
}

const REASON: &str = "it is only for statistics";
