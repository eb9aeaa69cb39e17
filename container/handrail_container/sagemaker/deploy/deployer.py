"""Creates, updates and deletes an endpoint."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping

import click

from handrail_container.process.exits import SettingsError
from handrail_container.sagemaker.deploy import preflight
from handrail_container.sagemaker.deploy.aws import Aws, AwsCall
from handrail_container.sagemaker.deploy.deployment import Deployment
from handrail_container.sagemaker.deploy.endpoint import EndpointStatus, SageMakerEndpoint
from handrail_container.sagemaker.deploy.errors import AwsError, DeployError
from handrail_container.sagemaker.deploy.leftovers import Leftovers
from handrail_container.sagemaker.deploy.plan import DeploymentPlan, resource
from handrail_container.sagemaker.deploy.store import Store
from handrail_container.sagemaker.deploy.undo import Undo

#: Seconds to get an instance, in addition to its download and startup timeouts.
_PROVISION_S = 1800
_DELETE_S = 1800


class Deployer:
    """Deploys one endpoint. Raises AwsError, DeployError, and SettingsError for problems found before any change."""

    def __init__(self, aws: Aws, deployment: Deployment, say: Callable[[str], None]) -> None:
        self._aws = aws
        self._deployment = deployment
        self._say = say
        self._name = str(deployment.name)
        self._endpoint = SageMakerEndpoint(aws, self._name, say)

    def deploy(self, plan: DeploymentPlan, *, keep: bool) -> None:
        """Create the endpoint, or update it to the plan. A failed deployment is undone, unless `keep`."""
        if found := preflight.problems(self._aws, self._deployment, self._say):
            raise SettingsError(*found)
        current = self._current()
        if current is not None and current.config == plan.config_name:
            self._say(f"{self._name} serves this already")
            self._scale(plan)
            return
        with Undo(self._say, keep=keep) as undo:
            self._send(plan, undo)
            self._make(plan, undo, current)
            if current is not None:
                undo.forget()  # the update serves: a later failure must not undo it
            self._scale(plan)
        self._retire(plan)

    def delete(self) -> None:
        """Delete the endpoint and everything made for it. Raises DeployError if there is nothing to delete."""
        self._unscale()
        there_was = self._endpoint.delete(_DELETE_S)
        if there_was:
            self._say(f"deleted: endpoint {self._name}")
        if not Leftovers(self._aws, self._name, self._say).delete() and not there_was:
            raise DeployError(f"there is no endpoint {self._name} in {self._aws.region}, and nothing named after it")

    def _retire(self, plan: DeploymentPlan) -> None:
        """Delete the version served before. A failure is only reported: the endpoint already serves."""
        try:
            Leftovers(self._aws, self._name, self._say, {plan.model_name, plan.config_name, plan.folder}).delete()
        except AwsError as error:
            self._say(f"NOT deleted: what {self._name} served before: {error}")

    def _current(self) -> EndpointStatus | None:
        state = self._endpoint.state()
        if state is not None and state.is_working:
            raise DeployError(f"{self._name} is {state.status}: wait until that is over")
        if state is not None and state.status != "InService":
            raise DeployError(
                f"{self._name} is {state.status} ({state.reason or 'no reason is given'}): delete it first "
                f"(handrail deploy --delete --name {self._name})"
            )
        return state

    def _send(self, plan: DeploymentPlan, undo: Undo) -> None:
        store = Store(self._aws, plan, self._deployment.kms_key)
        undo.made(f"the files of this try in {plan.folder}", store.take_back)
        total = sum(file.size for file in plan.files)
        with click.progressbar(length=total, label=f"files: {len(plan.files)}", file=sys.stderr) as bar:
            store.send(bar.update)
        self._say(f"{plan.folder}: {store.sent}")

    def _make(self, plan: DeploymentPlan, undo: Undo, current: EndpointStatus | None) -> None:
        self._create(plan.model, undo)
        self._create(plan.config, undo)
        if current is None:
            made = f"endpoint {self._name}"
            undo.make(made, lambda: self._aws.make(plan.endpoint), lambda: self._endpoint.delete(_DELETE_S))
        else:
            back = current.config
            undo.make("the update", lambda: self._update(plan), lambda: self._endpoint.revert(back, _DELETE_S))
        times = self._deployment.download_timeout_s + self._deployment.startup_timeout_s
        self._endpoint.serve(plan.config_name, times + _PROVISION_S)

    def _create(self, call: AwsCall, undo: Undo) -> None:
        """Create a resource, unless it exists: names contain a digest, so an existing one is identical."""
        kind = call.operation.removeprefix("Create")
        name = {f"{kind}Name": call.parameters[f"{kind}Name"]}
        what = f"{kind} {name[f'{kind}Name']}"
        if self._is_there(kind, name):
            self._say(f"there already: {what}")
            return
        self._aws.make(call)
        self._say(f"made: {what}")
        undo.made(what, lambda: self._aws.call("sagemaker", f"Delete{kind}", **name))

    def _is_there(self, kind: str, name: Mapping[str, str]) -> bool:
        try:
            self._aws.call("sagemaker", f"Describe{kind}", **name)
        except AwsError as error:
            if error.is_missing:
                return False
            raise
        return True

    def _update(self, plan: DeploymentPlan) -> None:
        """Update the endpoint. With autoscaling it keeps its current number of instances."""
        retain = {"RetainAllVariantProperties": True} if plan.scaling and self._is_scaled() else {}
        named = {"EndpointName": self._name, "EndpointConfigName": plan.config_name}
        self._aws.call("sagemaker", "UpdateEndpoint", **named, **retain)

    def _scale(self, plan: DeploymentPlan) -> None:
        if not plan.scaling:
            self._unscale()
        for call in plan.scaling:
            self._aws.make(call)
        if plan.scaling:
            least, most = self._deployment.min_instances, self._deployment.max_instances
            self._say(f"autoscaling: {least} to {most} instances, for {self._deployment.concurrency:g} requests each")

    def _is_scaled(self) -> bool:
        namespace, identity, dimension = resource(self._name).values()
        targets = self._aws.call(
            "application-autoscaling",
            "DescribeScalableTargets",
            ServiceNamespace=namespace,
            ResourceIds=[identity],
            ScalableDimension=dimension,
        )
        return bool(targets["ScalableTargets"])

    def _unscale(self) -> None:
        try:
            if self._is_scaled():
                self._aws.call("application-autoscaling", "DeregisterScalableTarget", **resource(self._name))
                self._say(f"deleted: autoscaling of {self._name}")
        except AwsError as error:
            if not error.is_denied:
                raise
            self._say(f"autoscaling is not looked at: {error}")  # without autoscaling the permission is not needed
