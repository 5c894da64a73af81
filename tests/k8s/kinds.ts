// The kinds of objects that k8s/ may hold. validate.mjs makes a schema of each.

export type { Deployment, StatefulSet } from 'kubernetes-types/apps/v1';
export type { HorizontalPodAutoscaler } from 'kubernetes-types/autoscaling/v2';
export type { Job } from 'kubernetes-types/batch/v1';
export type {
  ConfigMap,
  Namespace,
  Secret,
  Service,
  ServiceAccount,
} from 'kubernetes-types/core/v1';
export type { Ingress, NetworkPolicy } from 'kubernetes-types/networking/v1';
export type { PodDisruptionBudget } from 'kubernetes-types/policy/v1';
