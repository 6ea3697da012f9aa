# %% [markdown]
# # 02 · Deploy a platform that others can rely on
#
# You are the provider. You turn a folder of files into a running platform, prove that it works, change it while
# people use it, and repair it when it breaks.
#
# **You will do**: complete a manifest, deploy database, gateway, portal and model in a namespace of your own, register
# the model at a price, replace the gateway under traffic, repair three faults, and let the platform follow Git.
#
# **You will learn**: what each part of the platform is for, how to read status, events and logs, why a healthy gateway
# proves little, how a change reaches users without a lost call, and what changes when only Git may change anything.
#
# **You need**: a running lab (`./lab up`), 2 GB of free memory for a second platform beside it, git, and about 50
# minutes. That is an estimate for reading and solving; the cells themselves run for about 45 seconds (measured
# 2026-11-28 on two cores).

# %% tags=["parameters"]
prefix: str = "maas-lab-02"  # the name of your namespace begins with this
callers: int = 2  # how many people ask at the same time while you replace the gateway
copies: int = 2  # how many copies of the model you scale to; on GPUs, each needs one of its own
patience: int = 600  # seconds to wait for pods at most; on a cluster, images come over the network
repository: str = ""  # address of your fork, for a cluster that cannot read this machine's files

# %% [markdown]
# ## The story
#
# Seven people deployed the same model on seven GPUs (graphics processors), and nobody knew. Your organisation decides:
# **one** team serves models for everybody. You are that team, and from today people rely on you.
#
# So nothing is clicked together. The platform is a folder of files that says what should be there; the **cluster**
# makes it so and keeps it so. What it should make are **objects**: a Deployment, a Service, a Secret. A file that
# describes objects is a **manifest**.
#
# ```mermaid
# flowchart LR
#   accTitle: What you deploy
#   accDescr {
#     The folder infrastructure becomes a database, a gateway and a portal, each of the last two with a Route to it. The
#     folder models becomes a model server. People get keys at the portal, which asks the gateway for them, and call the
#     gateway; it calls the model server and writes into the database.
#   }
#   subgraph git["folders of manifests"]
#     infra["infrastructure"]
#     models["models"]
#   end
#   subgraph namespace["your namespace in the cluster"]
#     page["Route"] --> portal["portal (LiteMaaS)"] --> gateway
#     route["Route"] --> gateway["gateway (LiteLLM)"]
#     gateway --> database[("database (PostgreSQL)")]
#     gateway --> model["model server (InferenceService)"]
#   end
#   people["people"] -- "get keys" --> page
#   people -- "call models" --> route
#   infra -- apply --> gateway
#   models -- apply --> model
# ```

# %%
from maas_lab import (
    Gateway,
    ask,
    ask_many,
    checks,
    connect,
    errors,
    expect,
    faults,
    keep_asking,
    manifests,
    openai_client,
    overlays,
    platform_secrets,
    plots,
)

lab = connect()
lab

# %% [markdown]
# ## Look: what may you do here?
#
# A **namespace** is a part of the cluster with a name: objects in it do not meet those of others, and it can be
# deleted with all that is in it. You get one of your own, beside the platform that the lab has made already.
#
# The cluster itself knows what you may do. Ask before you need it. A missing right would come with the command that an
# administrator runs to give it to you.
#
# The second line removes what an earlier run of this lesson has left.

# %%
namespace = lab.cluster.own_namespace(prefix)
lab.cluster.delete(f"namespace/{namespace}", timeout=patience)

rights = lab.cluster.permissions(namespace=namespace)
missing = [right for right in rights if not right.allowed]
print("rights that a provider needs:", len(rights))
print("missing:", missing or "none")

# %% [markdown]
# ## Read the folders before you apply them
#
# In an organisation you would clone a Git repository now. The lab brings its copy along; a clone comes at the end.

# %%
for folder in sorted(lab.manifests.glob("*/*/*")):
    if folder.is_dir():
        print(folder.relative_to(lab.manifests))

# %% [markdown]
# **Why infrastructure is apart from models.** Everybody's keys and spend rows depend on database and gateway, so they
# change seldom. Models come and go every week. Two folders can have two owners, and a broken model cannot take the
# gateway down.
#
# A **base** says what a thing is; an **overlay** says where it runs, and holds only what must differ there.
# `lab.overlay(...)` is the one that fits your cluster. To **render** an overlay means to put base and overlay together.

# %%
for part in ("infrastructure", "models"):
    kinds = [one["kind"] for one in manifests.render(lab.overlay(part))]
    print(f"{part}:", ", ".join(sorted(set(kinds))))

# %% [markdown]
# A **Deployment** keeps copies of a program running, and a **StatefulSet** does so for one that needs its disk. A
# **Service** is a name under which the copies are called, and a **Route** is OpenShift's way to it from outside.
#
# **OpenShift AI** and its part KServe bring the kinds for models: a **ServingRuntime** is a recipe for a model server,
# and an **InferenceService** is a dish cooked by it. OpenShift AI also has a dashboard that writes both for you, and
# runtimes that Red Hat tests.
#
# ## Make the secrets first
#
# Passwords do not belong into Git. They are made once, at random, in the cluster; manifests only name them. `apply`
# creates what is not there and changes what differs.

# %%
home = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
lab.cluster.apply([home, *platform_secrets()], namespace)

# %%
lab.cluster.describe("Secret", "litellm-secret", namespace)

# %% [markdown]
# The values are there, and this lab never prints them. Whoever may read Secrets in a namespace can read them, so that
# right is worth as much as the passwords.
#
# ## Complete a manifest
#
# The overlay has a Route to the gateway. Read it: it leads `to` a Service, at one of its ports.

# %%
infrastructure = manifests.render(lab.overlay("infrastructure"), namespace)
given = next(one for one in infrastructure if (one["kind"], one["metadata"]["name"]) == ("Route", "litellm"))
given["spec"]

# %% [markdown]
# Its address begins with `litellm`, the name of a product. Should you change the product one day, everybody would have
# to change their code. So you want a second Route with the name `models`. Here is a draft, and it has two mistakes.
#
# A **server-side dry run** lets the cluster check everything and change nothing. Predict: does it find both?

# %%
draft = {
    "apiVersion": "route.openshift.io/v1",
    "kind": "Route",
    "metadata": {"name": "models"},
    "spec": {**given["spec"], "to": {"kind": "Service", "name": "gateway"}, "ports": {"targetPort": "http"}},
}
with expect(errors.Rejected) as refused:
    lab.cluster.apply(draft, namespace, dry_run=True)
print(*refused.error.causes, sep="\n")

# %% [markdown]
# One of the two. An error names the **path** of the field, so that you find it in a long file. The other mistake is
# not one of form, and no dry run sees it. Which Services will there be?

# %%
print("Services:", [one["metadata"]["name"] for one in infrastructure if one["kind"] == "Service"])

# %% [markdown]
# **Exercise 2.1** Complete the Route `models`, so that the cluster accepts it and it leads to the gateway. Begin with a
# copy of `draft`.

# %%
friendly = {  # SOLUTION
    "apiVersion": "route.openshift.io/v1",
    "kind": "Route",
    "metadata": {"name": "models"},
    "spec": {**given["spec"], "to": {"kind": "Service", "name": "litellm"}, "port": {"targetPort": "http"}},
}

# %%
checks.route(lab, namespace, friendly)

# %% [markdown]
# ## Apply the infrastructure
#
# Everything at once: the database, the gateway, the portal's backend and pages, and the Routes. Predict: which pod must
# wait for which, and what tells it to? A **pod** is what runs in the end: here, one process and what it needs.

# %%
lab.cluster.apply([*infrastructure, friendly], namespace)

# %% tags=["nbval-ignore-output"]
lab.cluster.wait_ready(infrastructure, patience, progress=print)
lab.cluster.pods(namespace)

# %% [markdown]
# ## Watch the pods
#
# Nobody wrote "first this, then that" anywhere. The cluster starts everything, and each part tries until what it needs
# is there. **Events** tell what happened, in order. These are the database's:

# %% tags=["nbval-ignore-output"]
lab.cluster.events(namespace, of="pod/postgres-0")

# %% [markdown]
# A **probe** is a question that the cluster asks a container again and again. Only a pod whose readiness probe succeeds
# is **Ready** and gets calls from its Service. These are the gateway's:

# %%
deployment = lab.cluster.get("Deployment", "litellm", namespace)
for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
    asked = deployment["spec"]["template"]["spec"]["containers"][0][probe]
    print(f"{probe}: {asked['httpGet']['path']} every {asked['periodSeconds']} seconds")

# %% [markdown]
# Until the startup probe succeeds, the others wait. Then liveness restarts a container that hangs, and readiness only
# keeps calls away. The gateway's readiness asks for its database too: that is how it waits.
#
# **Exercise 2.2** From the cluster, not from a guess: `steps`, the reasons of the events of the pod `postgres-0`, the
# oldest first; and `first`, the name of the workload that was Ready first, `postgres` or `litellm`.

# %%
steps = [event.reason for event in lab.cluster.events(namespace, of="pod/postgres-0")]  # SOLUTION
first = "postgres"  # SOLUTION

# %%
checks.order(lab, namespace, steps, first)

# %% [markdown]
# The misconception: "pods start in the order of the file". They do not; what cannot wait crashes and is started again.
# Where that would look broken, an **init container** waits first. The overlay for OpenShift has one.
#
# ## Serve a model
#
# The recipe and the dish. `{{.Name}}` in the recipe becomes the name of the InferenceService.

# %%
models = manifests.render(lab.overlay("models"), namespace)
lab.cluster.apply(models)

# %% tags=["nbval-ignore-output"]
lab.cluster.wait_ready(models, patience, progress=print)
lab.cluster.pods(namespace)

# %% [markdown]
# KServe made a Deployment and a Service of it, and reports in **conditions**. Ready is true when all the others are.

# %%
service = lab.cluster.get("InferenceService", lab.model, namespace)
for condition in service["status"]["conditions"]:
    print(f"{condition['type']}: {condition['status']}")

# %% [markdown]
# Three names should be one: that of the InferenceService, the one the server answers to, and the one in the gateway's
# catalog. Then a spend row leads to its model without a translation table.
#
# **Exercise 2.3** Read two facts off `service`: `served`, the name that the server answers to, and `address`, where the
# gateway must call it. The OpenAI API of a model server begins at `/v1`.

# %%
served = service.name  # SOLUTION
address = service["status"]["address"]["url"] + "/v1"  # SOLUTION

# %%
checks.served(lab, namespace, served, address)

# %% [markdown]
# ## Open the gate
#
# Through your Route, with the **master key** from the Secret, you are the gateway's administrator. It says that it is
# healthy. So people can call the model now. Or can they?

# %%
gateway = Gateway(
    lab.cluster.route_url("models", namespace),
    lab.cluster.secret("litellm-secret", "master-key", namespace),
)
key = gateway.create_key("first visitor", models=[lab.model])
client = openai_client(f"{gateway.url}/v1", key)

print("gateway is ready, version", gateway.version())
with expect(errors.ModelNotAllowed):
    ask(client, "Is anybody there?", model=lab.model)

# %% [markdown]
# Every pod is Ready, every probe green, and nobody can use the platform. A health endpoint says that a process runs.
# The **gate** of this lesson is stricter: a real answer of the model, and a spend row with its price.
#
# The gateway needs the model's name and address, the key that the model server wants, and a price per token. Take the
# price of the lab's own catalog.

# %%
price = next(one for one in lab.gateway.models() if one.name == lab.model)
print("per prompt token:  ", price.input_cost)
print("per answered token:", price.output_cost)

# %% [markdown]
# **Exercise 2.4** Register the model at `gateway` under the name `served`, ask it something through `client`, and find
# the spend row of that call.

# %%
registered = gateway.register_model(  # SOLUTION
    served,
    served=served,
    api_base=address,
    api_key=lab.cluster.secret("model-secret", "api-key", namespace),
    input_cost=price.input_cost,
    output_cost=price.output_cost,
)
reply = ask(client, "In one short sentence: what is a gateway?", model=served)  # SOLUTION
row = gateway.spend_row(reply.id)  # SOLUTION

# %%
checks.gate(lab, namespace, gateway, reply, row)

# %% [markdown]
# ## One telling chart: replace the gateway while people use it
#
# The accountant wants spend rows sooner. That is one line in the gateway's manifest, and a process reads its variables
# only when it starts: the pod must be replaced. A **patch** is a piece of a manifest that is laid over it.
#
# The Deployment says `maxUnavailable: 0` and `maxSurge: 1`. Predict: how many of the calls made meanwhile fail?

# %%
sooner = """
apiVersion: apps/v1
kind: Deployment
metadata:
  name: litellm
spec:
  template:
    spec:
      containers:
        - name: litellm
          env:
            - name: PROXY_BATCH_WRITE_AT
              value: "1"
"""
platform = manifests.render(lab.overlay("infrastructure"), namespace, patch=sooner)


def gateway_pods():
    return [pod for pod in lab.cluster.pods(namespace) if pod.name.startswith("litellm-")]


[old_pod] = gateway_pods()
with keep_asking(client, "Count to five.", model=lab.model, pods=gateway_pods, callers=callers) as traffic:
    changes = lab.cluster.apply(platform)
    lab.cluster.wait_ready("deployment/litellm", patience, namespace=namespace)
    lab.cluster.wait_gone(f"pod/{old_pod.name}", patience, namespace=namespace)

print("changed:", [f"{change.kind} {change.name}" for change in changes if change.action != "unchanged"])
print("calls that failed:", len(traffic.calls) - traffic.calls.counts().get("answered", 0))

# %%
plots.rollout(traffic.calls.frame, traffic.pods)

# %% [markdown]
# The new pod gets calls only when it is Ready. The old one keeps serving for some seconds after it was told to leave,
# until every router knows, and then finishes what it has begun. Three settings did that: `maxUnavailable: 0`, a
# readiness probe that tells the truth, and `preStop`. Take one of them away, and a change can lose calls.
#
# The misconception: "a change needs a maintenance window". It needs room for one more pod.
#
# Lesson 05 sets your own numbers of all lessons side by side. Note these in the lab's **journal**, a file in the lab's
# home that only you may read.

# %%
lab.journal.note(
    "02",
    rollout_calls=len(traffic.calls),
    rollout_lost=len(traffic.calls) - traffic.calls.counts().get("answered", 0),
    pods=len(lab.cluster.pods(namespace)),
)
print("noted:", ", ".join(lab.journal.of("02")))

# %% [markdown]
# ## Break it, and repair it
#
# A pod goes through the same steps every time, and can get stuck at each of them. The word in the column `reason`
# tells you where, and so where to read on.
#
# ```mermaid
# flowchart LR
#   accTitle: Where a pod gets stuck, and what to read
#   accDescr {
#     A pod is scheduled to a node, its image is pulled, its container is created and started, and then it is Ready.
#     No room: Pending, read the events. No such image: ImagePullBackOff, read the events. A missing Secret or key:
#     CreateContainerConfigError, read the events. It crashes: CrashLoopBackOff, read the logs of the previous run.
#     It runs and is not Ready: read events and logs.
#   }
#   scheduled["scheduled"] --> pulled["image pulled"] --> created["container created"] --> started["started"]
#   started --> ready["Ready"]
#   scheduled -. "no room" .-> pending["Pending: events"]
#   pulled -. "no such image" .-> image["ImagePullBackOff: events"]
#   created -. "no such Secret or key" .-> config["CreateContainerConfigError: events"]
#   started -. "crashes" .-> crash["CrashLoopBackOff: previous logs"]
# ```
#
# **Fault one.** Somebody mistypes the key of a Secret. Before you run it, predict: can people still call the model?

# %%
wrong_key = """
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: litellm
spec:
  template:
    spec:
      containers:
        - name: litellm
          env:
            - name: LITELLM_MASTER_KEY
              valueFrom:
                secretKeyRef:
                  name: litellm-secret
                  key: masterkey
"""
broken = manifests.render(lab.overlay("infrastructure"), namespace, patch=sooner + wrong_key)
lab.cluster.apply(broken)
stuck = lab.cluster.wait_stuck(namespace, patience)
print("reason:", stuck.reason)
for event in lab.cluster.events(namespace, of=f"pod/{stuck.name}"):
    if event.type == "Warning":
        print(f"{event.reason}: {event.message}")

# %%
print("people still get answers:", bool(ask(client, "Still there?", model=lab.model).completion_tokens))

# %% [markdown]
# The old pod serves as long as the new one is not Ready: a bad change stops at the door. Repair it with what was right
# before, and the cluster takes the bad pod away.

# %%
lab.cluster.apply(platform)
lab.cluster.wait_ready("deployment/litellm", patience, namespace=namespace)
print("gateway pods that are ready:", [pod.ready for pod in gateway_pods() if pod.phase == "Running"])

# %% [markdown]
# **Fault two.** Somebody asks for a version that does not exist. Predict the reason, and where you will find the cause.

# %%
wrong_image = """
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: litellm
spec:
  template:
    spec:
      containers:
        - name: litellm
          image: quay.io/rh-aiservices-bu/litellm-non-root:no-such-version
"""
lab.cluster.apply(manifests.render(lab.overlay("infrastructure"), namespace, patch=sooner + wrong_image))
stuck = lab.cluster.wait_stuck(namespace, patience)
print("about the image:", stuck.reason in ("ErrImagePull", "ImagePullBackOff"))

# %% tags=["nbval-ignore-output"]
lab.cluster.events(namespace, of=f"pod/{stuck.name}")

# %% [markdown]
# The cluster tries again, each time after a longer pause: **back-off**. That helps when a registry is away for a
# minute, and never against a typing error.

# %%
lab.cluster.apply(platform)
lab.cluster.wait_ready("deployment/litellm", patience, namespace=namespace)
print("gateway pods that are ready:", [pod.ready for pod in gateway_pods() if pod.phase == "Running"])

# %% [markdown]
# ## Repair it yourself
#
# **Fault three.** A colleague has changed something about the gateway, and went on holiday.

# %%
faults.plant(lab.cluster, platform)
stuck = lab.cluster.wait_stuck(namespace, patience)
print("reason:", stuck.reason)
print("restarted:", stuck.restarts > 0)

# %% [markdown]
# The container starts, ends, starts again, each time after a longer pause. Its present log may be empty. What it said
# before its end is the **previous** log, and the last line of that says what went wrong:

# %%
print(lab.cluster.logs(stuck.name, namespace, previous=True).splitlines()[-1])

# %% [markdown]
# The lines above it say where. Read all of them in a cell of your own, with
# `lab.cluster.logs(stuck.name, namespace, previous=True)`. What the Deployment wants now, shows
# `lab.cluster.describe("Deployment", "litellm", namespace)`.
#
# **Exercise 2.5** `culprit` is the name of the environment variable that your colleague has changed. Then repair the
# gateway.

# %%
culprit = "PROXY_BATCH_WRITE_AT"  # SOLUTION
repair = lab.cluster.apply(platform)  # SOLUTION

# %%
if repair is not ...:
    lab.cluster.wait_ready("deployment/litellm", patience, namespace=namespace)
checks.repaired(lab, namespace, culprit)

# %% [markdown]
# ## Scale the model
#
# More people come. A second copy of the model is one number in its manifest. The gateway keeps calling the same
# address: a **Service** spreads calls over all pods that are Ready. Predict: does a second copy make answers faster?

# %%
more = f"""
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata:
  name: {lab.model}
spec:
  predictor:
    minReplicas: {copies}
    maxReplicas: {copies}
"""
lab.cluster.apply(manifests.render(lab.overlay("models"), namespace, patch=more))
lab.cluster.wait_ready(service, patience)
lab.cluster.wait_ready(f"deployment/{service.name}-predictor", patience, namespace=namespace)
scaled = lab.cluster.get("Deployment", f"{service.name}-predictor", namespace)
print("copies that are ready:", scaled["status"]["readyReplicas"])

# %%
ask_many(client, ["Name one colour."] * 8, model=lab.model, concurrency=4, max_tokens=8)

# %% [markdown]
# Not one answer alone gets faster, and copies that share the same processors or the same GPU gain nothing. A second
# copy on hardware of its own serves about twice as many people, and keeps serving when a node fails.
#
# The **gateway** is another matter. It counts rate limits in its own memory, so two gateways would each allow the whole
# limit. Before you scale it, give it a Redis to count together: the settings `REDIS_HOST` and `REDIS_PORT`.
#
# ## What differs on OpenShift
#
# You applied one pair of overlays. Both pairs stand on the same bases; this table is made from them, and lists only
# what differs.

# %%
overlays.compare(
    local=[lab.manifests / "infrastructure/overlays/local", lab.manifests / "models/overlays/local"],
    openshift=[lab.manifests / "infrastructure/overlays/openshift", lab.manifests / "models/overlays/openshift-gpu"],
)

# %% [markdown]
# A node with GPUs is **tainted**, so that only pods that tolerate the taint come to it. The weights come as an image, a
# "modelcar", so a restart downloads nothing. And with one GPU a new version must wait until the old one is gone: there
# the change of a model does cost calls.
#
# ## Let the platform follow Git
#
# You applied every change by hand. What runs now stands in no file: the patch for the spend rows, the second copy, your
# Route. **GitOps** turns it round: people change a Git repository, and a program makes the cluster equal to it and
# keeps it so. On OpenShift that program is **Argo CD**. An **Application** tells it which folder goes where.
#
# ```mermaid
# flowchart LR
#   accTitle: Who changes what with GitOps
#   accDescr {
#     You push a commit to the repository. Argo CD reads it, compares it with the cluster, and applies what differs.
#     What somebody changes in the cluster by hand, Argo CD changes back.
#   }
#   you["you"] -- "commit and push" --> git["repository"]
#   git -- "read" --> argo["Argo CD"]
#   argo -- "compare, apply" --> cluster["your namespace"]
#   hand["a change by hand"] -.-> cluster
#   cluster -. "changed back" .-> argo
# ```
#
# Your platform gets a repository and two Applications of its own. The first line removes those of an earlier run.

# %%
gitops = lab.gitops.in_namespace(namespace)
gitops.remove(repository=True)
gitops.clone(repository)

# %% [markdown]
# That is your clone, with one commit. (Where you see commands instead, run them in a terminal; then set `repository` to
# the address of your fork, and run the cell again.) First write into the clone what you want to keep of your changes
# by hand: the patch with which spend rows are written sooner becomes a file of the overlay.
#
# Then let the platform follow it. You scaled the model by hand, and Git says one copy. Predict: how many are there in a
# moment?

# %%
overlay = gitops.overlay("infrastructure")
(overlay / "sooner.yaml").write_text(sooner)
file = overlay / "kustomization.yaml"
file.write_text(file.read_text().replace("patches:\n", "patches:\n  - path: sooner.yaml\n"))
first = gitops.commit("Write spend rows after one second")

# %% tags=["nbval-ignore-output"]
gitops.create()
gitops.wait(first, timeout=patience)


# %%
def deployed():
    return lab.cluster.get("InferenceService", lab.model, namespace)


print("copies of the model:", deployed()["spec"]["predictor"]["minReplicas"])
for one in gitops.status():
    print(f"{one.name}: {one.sync}, {one.health}, {one.message}")

# %% [markdown]
# **Synced** means that the cluster is as Git says; health is that of the pods. There is one copy again, because Git
# won. Your Route `models` is still there: Argo CD deletes only what it has made. It is an **orphan**, and told as one.
#
# ## Change it in Git
#
# OpenShift AI's dashboard shows a model under its **display name**, an annotation of the InferenceService. It stands in
# this file of your clone, in this line:

# %%
file = gitops.folder / "manifests/models/base" / lab.model / "inferenceservice.yaml"
line = next(one for one in file.read_text().splitlines() if "openshift.io/display-name:" in one)
line

# %% [markdown]
# **Exercise 2.6** Give the model a display name that says whom it is for: replace the line in the file. The difference
# between your clone and the cluster is shown below it. Then commit and push it in the next cell; `commit` is what
# `gitops.commit("why")` returns.

# %%
file.write_text(file.read_text().replace(line, f"{line}, for everybody"))  # SOLUTION
gitops.diff("maas-models")

# %%
commit = gitops.commit("A name that says whom it is for")  # SOLUTION

# %%
if commit is not ...:
    gitops.wait(commit, timeout=patience)
checks.synced(lab, gitops, commit)

# %% [markdown]
# Nobody applied anything. What was deployed, when, and why, is the history:

# %% tags=["nbval-ignore-output"]
gitops.history("maas-models")

# %% [markdown]
# ## Delete it by hand
#
# The portal's pages come from the Deployment `frontend`. Every object has a **uid**: one that is made again under the
# same name has another. Predict: what happens when you delete the Deployment, and how long are the pages away?

# %%
before = lab.cluster.get("Deployment", "frontend", namespace)
before

# %% [markdown]
# **Exercise 2.7** Delete the Deployment `frontend` by hand, and apply nothing. `after` is the Deployment that is there
# when it is ready again.

# %%
lab.cluster.delete("deployment/frontend", namespace)  # SOLUTION
lab.cluster.wait_ready("deployment/frontend", patience, namespace=namespace)
after = lab.cluster.get("Deployment", "frontend", namespace)  # SOLUTION

# %%
checks.healed(lab, gitops, before, after)

# %% [markdown]
# That is **self-heal**. It cuts both ways: it repairs what somebody broke, and it undoes what somebody repaired by hand
# at night. Whoever wants a change to stay must commit it.
#
# ## Commit a mistake
#
# A colon gets lost. Predict: what happens to the model that people use now?

# %%
file.write_text(file.read_text().replace("minReplicas:", "minReplicas"))
bad = gitops.commit("Tidy up")

# %% tags=["nbval-ignore-output"]
with expect(errors.Rejected) as refused:
    gitops.wait(bad, timeout=patience)
print(refused.error.why)

# %%
print("file and line are told:", f"{file.name}, line" in refused.error.why)
print("people still get answers:", bool(ask(client, "Still there?", model=lab.model).completion_tokens))
for one in gitops.status():
    print(f"{one.name}: {one.sync}, {one.health}")

# %% [markdown]
# What cannot be read is not applied, so the running platform stays as it was. And the mistake is in one of two
# Applications: the infrastructure follows on.
#
# **Exercise 2.8** Take the bad commit back. `repair` is the commit that does it.

# %%
repair = gitops.revert()  # SOLUTION

# %%
if repair is not ...:
    gitops.wait(repair, timeout=patience)
checks.mended(lab, gitops, bad, repair)

# %% [markdown]
# The misconception: "a rollback is a button in the cluster". Self-heal would undo that one. You roll back in Git, with
# one more commit, and everybody can read why.
#
# ## Promote by tag
#
# Until now each push reached people at once. Let the platform follow a **tag** instead, a name that you set to a
# commit: `prod` is what people use, the branch is what you work on.

# %% tags=["nbval-ignore-output"]
prod = gitops.tag("prod")
gitops.follow("prod")
gitops.wait(prod, timeout=patience)


# %%
def released():
    return deployed()["metadata"]["annotations"].get("example.com/release", "none")


marked = '  annotations:\n    example.com/release: "2"\n'
file.write_text(file.read_text().replace("  annotations:\n", marked))
release = gitops.commit("Release 2")
print("pushed to the branch; release in the cluster:", released())
gitops.tag("prod", release)
gitops.wait(release, timeout=patience)
print("promoted; release in the cluster:", released())

# %% [markdown]
# ## Discuss
#
# 1. A colleague says: "All pods are Ready, the platform is up." What do you answer, and what would you measure instead?
#
# <details><summary>What a good answer contains</summary>
#
# That Ready means the probe of each part succeeds, and no probe asks the whole way. That a real completion with a spend
# row is the proof, best made every few minutes by a key of your own, with an alarm. That even this says nothing about
# how long people wait.
#
# </details>
#
# 2. Fault one reached no user. Which change could you make to the database that would reach all of them, and how would
# you prepare it?
#
# <details><summary>What a good answer contains</summary>
#
# The database is one pod with one disk: a StatefulSet ends the old pod before it starts the new one, and while it is
# away the gateway cannot check keys. A maintenance window announced in time, a backup that was restored once to prove
# it, or a database service that has a second copy. Also: which changes cannot be undone, a schema for example.
#
# </details>
#
# 3. At night the gateway must get another setting at once, and Git cannot be reached. Whom do you allow to do what? And
# who may push to the branch by day?
#
# <details><summary>What a good answer contains</summary>
#
# Few people may switch the automated sync of one Application off, change the cluster by hand, and write down what they
# did; in the morning it becomes a commit, and the sync is switched on again. By day, the right to push is the right to
# change the platform: so the branch is protected, a second person reads each change, and the tag `prod` is moved by
# fewer people still.
#
# </details>
#
# ## Clean up
#
# First the Applications, so that nobody makes again what you delete. Then the namespace, with all that is in it: pods,
# disks, Secrets, keys and spend rows. The lab's own platform stays.

# %%
gitops.remove(repository=True)
lab.cluster.delete(f"namespace/{namespace}", timeout=patience)

# %% [markdown]
# ## Under the hood
#
# `connect()` found the lab's gateway as you found yours: a Route, a Secret, and a ConfigMap that says which ones. And
# `lab.cluster.wait_ready` decides what Ready means for each kind. Run `lab.cluster.wait_ready??` in a cell of your own,
# then `Gateway.register_model??`: why does it make a new row instead of changing the old one? The difference that
# `gitops.diff` shows is a server-side dry run of what stands in Git: `gitops.diff??`.
#
# ## On your own
#
# - Run this lesson again up to the gate, and delete the gateway's pod by hand:
#   `lab.cluster.delete("pod/...", namespace)`. Who makes a new one, and how long are calls refused?
# - Scale the gateway to two replicas and give a key `rpm_limit=4`. How many of ten calls are answered, and why?
# - `lab.cluster.wait_ready("deployment/litellm", timeout=5, namespace=namespace)` after a fault: read the `why` of the
#   error. Would it have saved you a step?
# - In a terminal, `kubectl` sees the same: `kubectl get pods -n` and your namespace, and `kubectl describe application
#   maas-models -n` and your namespace.
# - Before you clean up: delete `deployment/frontend` again and again. How soon is it back, each time? Argo CD waits
#   longer each time: why?
