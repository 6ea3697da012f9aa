"""Describe Argo CD's two kinds, as its CRDs do; only what the local controller does not know at all stays open."""

from __future__ import annotations

from maas_lab.local.kube.shapes import INT64, INT_OR_TEXT, OPEN, TEXT, TEXTS, TIME, YES_NO, many, struct

_GROUP_KIND = struct("group kind", group=TEXT, kind=TEXT)
_PAIR = struct("name value", name=TEXT, value=TEXT)
_TARGET = struct(
    annotationSelector=TEXT, group=TEXT, kind=TEXT, labelSelector=TEXT, name=TEXT, namespace=TEXT, version=TEXT
)
_YES_NOS = {"type": "object", "additionalProperties": YES_NO}
_KUSTOMIZE = struct(
    apiVersions=many(TEXT),
    commonAnnotations=TEXTS,
    commonAnnotationsEnvsubst=YES_NO,
    commonLabels=TEXTS,
    components=many(TEXT),
    forceCommonAnnotations=YES_NO,
    forceCommonLabels=YES_NO,
    ignoreMissingComponents=YES_NO,
    images=many(TEXT),
    kubeVersion=TEXT,
    labelIncludeTemplates=YES_NO,
    labelWithoutSelector=YES_NO,
    namePrefix=TEXT,
    nameSuffix=TEXT,
    namespace=TEXT,
    patches=many(struct(options=_YES_NOS, patch=TEXT, path=TEXT, target=_TARGET)),
    replicas=many(struct("count name", count=INT_OR_TEXT, name=TEXT)),
    version=TEXT,
)
_SOURCE = struct(
    "repoURL",
    chart=TEXT,
    directory=struct(disableExtensionFilter=YES_NO, exclude=TEXT, include=TEXT, jsonnet=OPEN, recurse=YES_NO),
    helm=OPEN,
    kustomize=_KUSTOMIZE,
    name=TEXT,
    path=TEXT,
    plugin=OPEN,
    ref=TEXT,
    repoURL=TEXT,
    tagPrefix=TEXT,
    targetRevision=TEXT,
)
_SOURCES = many(_SOURCE)
_DESTINATION = struct(name=TEXT, namespace=TEXT, server=TEXT)
_DIFFERENCE = struct(
    "kind",
    group=TEXT,
    jqPathExpressions=many(TEXT),
    jsonPointers=many(TEXT),
    kind=TEXT,
    managedFieldsManagers=many(TEXT),
    name=TEXT,
    namespace=TEXT,
)
_RETRY = struct(backoff=struct(duration=TEXT, factor=INT64, maxDuration=TEXT), limit=INT64, refresh=YES_NO)
_NAMESPACE = struct(annotations=TEXTS, labels=TEXTS)
_INITIATOR = struct(automated=YES_NO, username=TEXT)
_SYNC_POLICY = struct(
    automated=struct(allowEmpty=YES_NO, enabled=YES_NO, prune=YES_NO, selfHeal=YES_NO),
    managedNamespaceMetadata=_NAMESPACE,
    retry=_RETRY,
    syncOptions=many(TEXT),
)
_SYNC = struct(
    autoHealAttemptsCount=INT64,
    dryRun=YES_NO,
    manifests=many(TEXT),
    prune=YES_NO,
    resources=many(struct("kind name", group=TEXT, kind=TEXT, name=TEXT, namespace=TEXT)),
    revision=TEXT,
    revisions=many(TEXT),
    source=_SOURCE,
    sources=_SOURCES,
    syncOptions=many(TEXT),
    syncStrategy=struct(apply=struct(force=YES_NO), hook=struct(force=YES_NO)),
)
_OPERATION = struct(info=many(_PAIR), initiatedBy=_INITIATOR, retry=_RETRY, sync=_SYNC)
_HEALTH = struct(lastTransitionTime=TIME, message=TEXT, status=TEXT)
_RESULT = struct(
    "group kind name namespace version",
    group=TEXT,
    hookPhase=TEXT,
    hookType=TEXT,
    images=many(TEXT),
    kind=TEXT,
    message=TEXT,
    name=TEXT,
    namespace=TEXT,
    status=TEXT,
    syncPhase=TEXT,
    version=TEXT,
)
_OPERATION_STATE = struct(
    "operation phase startedAt",
    finishedAt=TIME,
    message=TEXT,
    operation=_OPERATION,
    phase=TEXT,
    retryCount=INT64,
    startedAt=TIME,
    syncResult=struct(
        "revision",
        managedNamespaceMetadata=_NAMESPACE,
        resources=many(_RESULT),
        revision=TEXT,
        revisions=many(TEXT),
        source=_SOURCE,
        sources=_SOURCES,
    ),
)
_RESOURCE = struct(
    group=TEXT,
    health=_HEALTH,
    hook=YES_NO,
    kind=TEXT,
    name=TEXT,
    namespace=TEXT,
    requiresDeletionConfirmation=YES_NO,
    requiresPruning=YES_NO,
    status=TEXT,
    syncWave=INT64,
    version=TEXT,
)
_HISTORY = struct(
    "deployedAt id",
    deployStartedAt=TIME,
    deployedAt=TIME,
    id=INT64,
    initiatedBy=_INITIATOR,
    revision=TEXT,
    revisions=many(TEXT),
    source=_SOURCE,
    sources=_SOURCES,
)
_COMPARED = struct(
    "destination",
    destination=_DESTINATION,
    ignoreDifferences=many(_DIFFERENCE),
    source=_SOURCE,
    sources=_SOURCES,
)
_STATUS = struct(
    conditions=many(struct("message type", lastTransitionTime=TIME, message=TEXT, type=TEXT)),
    controllerNamespace=TEXT,
    health=_HEALTH,
    history=many(_HISTORY),
    observedAt=TIME,
    operationState=_OPERATION_STATE,
    reconciledAt=TIME,
    resourceHealthSource=TEXT,
    resources=many(_RESOURCE),
    sourceHydrator=OPEN,
    sourceType=TEXT,
    sourceTypes=many(TEXT),
    summary=struct(externalURLs=many(TEXT), images=many(TEXT), isAppOfApps=YES_NO),
    sync=struct("status", comparedTo=_COMPARED, revision=TEXT, revisions=many(TEXT), status=TEXT),
)
APPLICATION = struct(
    "metadata spec",
    operation=_OPERATION,
    spec=struct(
        "destination project",
        destination=_DESTINATION,
        ignoreDifferences=many(_DIFFERENCE),
        info=many(_PAIR),
        project=TEXT,
        revisionHistoryLimit=INT64,
        source=_SOURCE,
        sourceHydrator=OPEN,
        sources=_SOURCES,
        syncPolicy=_SYNC_POLICY,
    ),
    status=_STATUS,
)
_WINDOW = struct(
    andOperator=YES_NO,
    applications=many(TEXT),
    clusters=many(TEXT),
    description=TEXT,
    duration=TEXT,
    kind=TEXT,
    manualSync=YES_NO,
    namespaces=many(TEXT),
    schedule=TEXT,
    syncOverrun=YES_NO,
    timeZone=TEXT,
)
_ACCOUNT = struct("defaultServiceAccount server", defaultServiceAccount=TEXT, namespace=TEXT, server=TEXT)
_TOKEN = struct("iat", exp=INT64, iat=INT64, id=TEXT)
_ROLE = struct("name", description=TEXT, groups=many(TEXT), jwtTokens=many(_TOKEN), name=TEXT, policies=many(TEXT))
_CLUSTER_KIND = struct("group kind", group=TEXT, kind=TEXT, name=TEXT)
PROJECT = struct(
    "metadata spec",
    spec=struct(
        clusterResourceBlacklist=many(_CLUSTER_KIND),
        clusterResourceWhitelist=many(_CLUSTER_KIND),
        description={**TEXT, "maxLength": 255},
        destinationServiceAccounts=many(_ACCOUNT),
        destinations=many(_DESTINATION),
        namespaceResourceBlacklist=many(_GROUP_KIND),
        namespaceResourceWhitelist=many(_GROUP_KIND),
        orphanedResources=struct(ignore=many(struct(group=TEXT, kind=TEXT, name=TEXT)), warn=YES_NO),
        permitOnlyProjectScopedClusters=YES_NO,
        roles=many(_ROLE),
        signatureKeys=many(struct("keyID", keyID=TEXT)),
        sourceIntegrity=OPEN,
        sourceNamespaces=many(TEXT),
        sourceRepos=many(TEXT),
        syncWindows=many(_WINDOW),
    ),
    status=OPEN,
)
