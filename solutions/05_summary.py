# %% [markdown]
# # 05 · Look back, and take the next step
#
# You look at what you have measured in this course, in one picture, and then do what every provider does next: serve
# the same model with fewer bytes, and find out what that costs.
#
# **You will do**: compare before and after, compute whether a model fits on a card, measure one model in four
# precisions, and see what changes in Git when you serve a smaller one.
#
# **You will learn**: what you would tell your organisation, what fills the memory of a GPU, what quantisation takes
# away and what it does not, and where this platform goes from here.
#
# **You need**: a running lab (`./lab up`), 1 GB of free memory and 0.5 GB of disk, and about 25 minutes. That is an
# estimate for reading and solving; the cells themselves run for 12 seconds (measured 2026-11-28 on two cores; the
# first time the models are made, which takes longer).

# %% tags=["parameters"]
prefix: str = "maas-lab-05"  # the name of your namespace begins with this
card: float = 24  # GB of memory of the card that you would buy
users: int = 8  # how many people call at the same time
context: int = 4096  # tokens of each call, prompt and answer together
agreed: bool = False  # on a cluster with GPUs: whether this lesson may take two of them for some minutes
patience: int = 600  # seconds to wait for pods at most; on a cluster, images come over the network

# %% [markdown]
# ## The story
#
# A company gave GPUs to whoever asked. Seven people deployed the same model on seven of them, nobody knew who used
# what, and the models sat idle most of the time (from the deck of this module). That is where this course began. You
# have built the other way.
#
# ```mermaid
# flowchart LR
#   accTitle: From a free-for-all to a shared service
#   accDescr {
#     Before: each person has a model server and a GPU of their own. After: people get keys in a portal and call one
#     gateway, which calls one model server on one GPU and writes a spend row for each call.
#   }
#   subgraph before["before: a free-for-all"]
#     p1["person"] --> m1["model"] --> g1["GPU"]
#     p2["person"] --> m2["model"] --> g2["GPU"]
#     p3["person"] -. "waits" .-> none["no GPU left"]
#   end
#   subgraph after["after: a shared service"]
#     people["people and programs"] -- "key" --> gateway["gateway"] --> model["model"] --> gpu["GPU"]
#     gateway --> rows[("spend rows")]
#     portal["portal"] -. "keys, caps" .-> gateway
#   end
#   before ==> after
# ```

# %%
from maas_lab import (
    capacity,
    checks,
    connect,
    manifests,
    overlays,
    platform_secrets,
    plots,
    quantisation,
    widgets,
)

lab = connect()
lab

# %% [markdown]
# ## Look at what you have measured
#
# Each lesson has kept its numbers in this lab, as you measured them. A lesson that you have skipped has none: you can
# run it later, and this one again.

# %%
built = {"01": "the problem", "02": "a platform", "03": "an application", "04": "a bill, and a cap"}
skipped = lab.journal.missing(built)
mine = {lesson: lab.journal.of(lesson) for lesson in built if lesson not in skipped}
for lesson, what in built.items():
    print(f"lesson {lesson}: {what}")

# %% tags=["nbval-ignore-output"]
sentences = {
    "01": "{running} of {people} people had a model of their own, and it worked {busy_hoarded:.0%} of the time.",
    "02": "You replaced the gateway while {rollout_calls} calls were made, and {rollout_lost} were lost.",
    "03": "Your program had its first word after {first_token:.2f} s, then {tokens_per_second:.0f} tokens a second.",
    "04": "A runaway used {tokens:,} tokens in {hits} hits, and you wrote an invoice of ${invoice:.2f}.",
}
for lesson, sentence in sentences.items():
    told = sentence.format(**mine[lesson]) if lesson in mine else "no numbers yet: run it, then this lesson again"
    print(f"lesson {lesson}: {told}")

# %% [markdown]
# ## One telling chart: before and after
#
# The same seven people with the same questions: with a model each, and with one for all. Which of the bars would you
# show to your organisation first? And which one gets worse?

# %%
plots.before_after(mine.get("01", {}))

# %% [markdown]
# Answers that take longer are the price of sharing, and you know how to compute it: a queue stays short as long as the
# server is not busy most of the time. All other bars are gains. The last one made the bill of lesson 04 possible.
#
# | before | after | where you have proved it |
# |---|---|---|
# | whoever comes first has a GPU | everybody has a key | lesson 01 |
# | each server is set up by hand | one platform, from a folder of files | lesson 02 |
# | people need to know where a model runs | people need an address and a name | lesson 03 |
# | nobody knows who uses what | every call has an owner, a price and a cap | lesson 04 |
#
# **The key takeaway: don't just throw GPUs at the problem. Be the provider of private AI.** What people want is
# answers, and a provider can give them to many from hardware that one would leave idle.
#
# ## Ask what fits before you buy
#
# Sooner or later somebody asks for a larger model, or for more users. Will it fit? Three things fill a GPU's memory:
#
# - the **weights** of the model: parameters times bits per weight;
# - the **KV cache**: what the model remembers of each token of each call that is under way;
# - the program itself, and what the server leaves free.
#
# Granite-3.1-8b has 40 layers with 8 key-value heads of 128 numbers, and keeps keys and values, in 2 bytes each.

# %%
granite = capacity.GRANITE_3_1_8B
print(f"weights in bf16: {capacity.footprint(granite, 'bf16') / 1e9:.1f} GB")
print(f"one token:       {capacity.kv_cache(granite, 1) / 1024:.0f} KiB")
print(f"one call:        {capacity.kv_cache(granite, context) / 1e9:.2f} GB")

# %% [markdown]
# The weights are there once, and the cache once for every call: so the memory that is left decides how many people can
# call at the same time. **Quantisation** stores each weight with fewer bits. `bf16` has 16, `w8a8` has 8, and `w4a16`
# has 4. (The number after `a` is that of the numbers that flow through the model.)
#
# Predict: does Granite with eight users at 4,096 tokens fit a card of 24 GB?

# %%
precisions = ["bf16", "w8a8", "w4a16"]
fits = {one: capacity.fits(granite, one, card_gb=card, users=users, context=context) for one in precisions}

# %% [markdown]
# **Exercise 5.1** `fitting`: a list of those precisions with which it fits. `most`: how many users has `bf16` room for?

# %%
fitting = [one for one in precisions if fits[one]]  # SOLUTION
most = fits["bf16"].users_max  # SOLUTION

# %%
checks.fitting(card, users, context, fitting, most)

# %%
plots.memory(*fits.values())

# %% [markdown]
# The misconception: "a model that loads, fits". It loads, and then the first busy hour has no room for its calls, so
# they queue. Change card, precision, users and tokens yourself:

# %%
widgets.memory_calculator(granite, precision="w4a16", card_gb=card, users=users, context=context)

# %% [markdown]
# ## Measure the same model in several precisions
#
# Fewer bits are not free: a weight that is rounded is another weight. What does that do to answers? The published test
# of Granite's `w4a16` says that it keeps 99.3 % of its score (OpenLLM v1: 69.81 instead of 70.30, from its model card).
# You measure a model that you can hold in your hands: the lab's own, in four precisions, with a server each.

# %%
namespace = lab.cluster.own_namespace(prefix)
lab.cluster.delete(f"namespace/{namespace}", timeout=patience)
variants = manifests.render(lab.overlay("quantised"), namespace)
quantisation.refuse_gpus(variants, agreed=agreed)
for one in variants:
    if one["kind"] == "InferenceService":
        print(one["metadata"]["annotations"][quantisation.PRECISION].ljust(6), one["metadata"]["name"])

# %% [markdown]
# **What is honest here, and what is not.** The lab's model comes as `Q4_1`: 4 bits for most weights, and scales on top.
# The others are made of it, on this machine, when a pod first asks: its image is pulled, and you see that in the
# events. So `F16` has 16 bits per weight and still holds the values of `Q4_1`. **Precision that is lost does not come
# back.** On a cluster, both Granites come from their makers.
#
# (A name like `Q8_0` is llama.cpp's: 8 bits for each weight, and one scale for each 32 of them.)

# %%
home = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
secret = next(one for one in platform_secrets() if one.name == "model-secret")
lab.cluster.apply([home, secret, *variants], namespace)

# %% tags=["nbval-ignore-output"]
lab.cluster.wait_ready(variants, patience, progress=print)
lab.cluster.pods(namespace)

# %% [markdown]
# Now the same questions to all of them. Each answer is **greedy**: at every step the likeliest token, so a server gives
# the same answer every time, and a difference comes from the weights alone.
#
# Predict: which one needs the least memory, which is the fastest, and which says the most of what `F16` says?

# %%
questions = ["Name three colours.", "What is a GPU?", "Why is the sky blue?", "What does a database do?"]
measured = quantisation.measure(lab, namespace, questions, max_tokens=20)
table = measured.table.set_index("precision")
print("compared with:", measured.reference)
measured

# %% tags=["nbval-ignore-output"]
table.assign(bytes=table["bytes"] / 1e6, memory=table["memory"] / 1e6).round(2).rename(
    columns={"bytes": "weights, MB", "memory": "memory, MB"}
)

# %% [markdown]
# `bytes` are those of all weights, as the server tells them. `memory` is what its process holds, as the cluster tells
# it (`kubectl top pods`). `same_words` is the share of words that are the same as the reference's before the two part:
# after the first other word, a model goes on from there, and nothing can be compared.
#
# **Exercise 5.2** `bits`: the bits per weight of each precision, from two columns of `table`. `closest`: the precision,
# besides the reference, that keeps the most of the reference's words.

# %%
bits = 8 * table["bytes"] / table["parameters"]  # SOLUTION
closest = table["same_words"].drop(measured.reference).idxmax()  # SOLUTION

# %%
checks.precisions(lab, namespace, measured, bits, closest)

# %%
plots.precisions(measured.table)

# %% [markdown]
# Read the chart from the left, and compare it with what you have predicted.
#
# - **Bits are not whole numbers.** A scale for each block of weights is stored, too. And `Q4_1`, as shipped, keeps a
#   fifth of its weights, those of the vocabulary, in 8 bits.
# - **Memory does not follow the file.** Cache and program come on top. Some formats are laid out anew for the processor
#   when they are loaded, and then the process holds the weights twice (`Q4_0`, seen 2026-11-28).
# - **Speed follows the format, not the bits.** It pays where the program has a fast way for exactly this format.
#
# The misconception: "more bits, closer to the original". `Q4_1` can say more of `F16`'s words than `Q8_0` does. Here
# `F16` has the values of `Q4_1`; making `Q8_0` has rounded them once more. Ask which weights a file was made of.
#
# A few other words are not an error: they are another answer. Whether it is a worse one, only tests with your own
# questions tell. `Q4_0` is different: read what it says. The question was: "What is a GPU?"

# %% tags=["nbval-ignore-output"]
for row in measured.answers.query("question == @questions[1]").itertuples():
    print(f"{row.precision}: {row.text}\n")

# %% [markdown]
# ## Serve the smaller model
#
# On OpenShift there is an overlay for Granite in `w4a16`. What does it change of the one that you know?

# %%
gpu, four_bits = (lab.manifests / f"models/overlays/openshift-{name}" for name in ("gpu", "gpu-w4a16"))
overlays.diff(gpu, four_bits)

# %% [markdown]
# One address of weights, and a title for people. The name stays, so nobody's program changes: that is what the gateway
# is for. Commit it, push it, and every user has the smaller model a few minutes later; revert it, and they are back.
#
# Still, tell them. Answers change a little, and whoever tests their application against them must know when.
#
# ## Where to go from here
#
# - **More than one gateway.** Each counts rate limits in its own memory, so two would allow twice as much. With Redis
#   (`REDIS_HOST`, `REDIS_PORT`) they count together, and one may fail.
# - **OpenShift AI's own Models-as-a-Service.** Version 3.4 made it generally available: a subscription says who may use
#   which model with how many tokens, and policies of the API gateway enforce it. Older texts speak of tiers, which are
#   gone. A gateway like this lab's stays a supported way (read 2026-08-21). The ideas are the same ones: a catalog,
#   keys, limits, usage.
# - **llm-d** spreads one large model over many servers, and sends a call to where its cache is already. OpenShift AI
#   serves it as an `LLMInferenceService`. It pays when one model needs many GPUs.
# - **Guardrails** look at questions before the model does, and at answers before people do. They belong at the gateway,
#   for the same reason as the bill: there all calls pass.
# - **Tests of your own questions** before each change of a model. You have seen why.
#
# ## Take your record
#
# Which exercises have you passed, when, and with how many hints? The record is yours. In a cell of your own,
# `lab.record("Your Name").save("record.html")` writes a page to print, and `"record.json"` instead a file that is
# signed by this lab.

# %%
record = lab.record()
print("of this lesson:", *(one for one in record.passed if one.startswith("5.")))

# %% tags=["nbval-ignore-output"]
record

# %% [markdown]
# ## Discuss
#
# 1. A team asks for a GPU of its own "because the shared model is too slow". What do you ask, and what do you offer?
#
# <details><summary>What a good answer contains</summary>
#
# What they have measured: the time to the first token, tokens per second, or waiting? At which hour, with which
# prompts? The server's own metrics say whether it is busy; if so, a second replica helps everybody. If only they are
# slow, long prompts or a cap of their own may be why. A GPU of their own is idle whenever they are.
#
# </details>
#
# 2. Finance has seen that `w4a16` needs a cheaper card. What would you have to know before you say yes?
#
# <details><summary>What a good answer contains</summary>
#
# Whether the users' own questions are answered as well: a published score is an average over other questions. How many
# people call at once, and how long their prompts are, because the cache takes what the weights leave. Whether the card
# has a fast way for 4-bit weights. And how to go back within minutes, if somebody notices a difference that you did
# not.
#
# </details>
#
# ## Clean up
#
# The four servers go with their namespace. Their weights stay on this machine, so the next time they start at once.

# %%
lab.cluster.delete(f"namespace/{namespace}", timeout=patience)

# %% [markdown]
# ## Under the hood
#
# `quantisation.measure` asks each question of all servers before it asks the next one. Why not all questions of one
# server first? Read `quantisation.measure??`, then `quantisation.agreement??`: what would the number say if it went on
# counting after the first other word? `overlays.diff??` renders two overlays and compares their lines, which is all
# that a review of such a change needs.
#
# ## On your own
#
# - Give `measure` ten questions from your own work, and `max_tokens=60`. Does `closest` stay the same?
# - What is the largest number of users for whom Granite in `bf16` fits on 80 GB? And in `w4a16`? Use `users_max`.
# - Write an overlay that serves `Q8_0` under the name of the lab's model, and put it in place with `lab.cluster.apply`
#   while `keep_asking` calls (lesson 02). Do its callers notice? Put `lab.overlay("models")` back afterwards.
# - In a terminal: `kubectl top pods -n maas-system`. Which part of the platform needs the most memory?
