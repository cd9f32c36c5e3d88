import { GlobalName, Placeholder, type PickleValue, TorchStorage, TorchTensor } from './pickleValue';
import type { Builder } from './unpickle';
import { type Dtype, isSize } from './weightsFile';

const storageDtypes = new Map<string, Dtype>([
  ['torch.BoolStorage', 'BOOL'],
  ['torch.ByteStorage', 'U8'],
  ['torch.CharStorage', 'I8'],
  ['torch.ShortStorage', 'I16'],
  ['torch.HalfStorage', 'F16'],
  ['torch.BFloat16Storage', 'BF16'],
  ['torch.IntStorage', 'I32'],
  ['torch.FloatStorage', 'F32'],
  ['torch.LongStorage', 'I64'],
  ['torch.DoubleStorage', 'F64'],
]);

/** Walked on every call, so that a long shared list could cost quadratic time; torch itself stops at 64. */
const MAX_DIMENSIONS = 64;

/** All that a file of weights needs: tensors, parameters, storages and ordered dicts. */
export const torchBuilder: Builder = {
  call({ name }, args) {
    switch (name) {
      case 'collections.OrderedDict':
        return args.length === 0 ? new Map() : undefined;
      case 'torch._utils._rebuild_tensor_v2':
        return rebuildTensor(args);
      case 'torch._utils._rebuild_parameter':
        return args[0] instanceof TorchTensor || args[0] instanceof Placeholder ? args[0] : undefined;
      default:
        return undefined;
    }
  },

  /** `('storage', type, key, location, count)` */
  persistent(id) {
    if (!Array.isArray(id)) return undefined;
    const [kind, type, key, , count] = id;
    if (kind !== 'storage' || !(type instanceof GlobalName) || typeof key !== 'string') return undefined;
    const dtype = storageDtypes.get(type.name);
    if (dtype === undefined) return new Placeholder(type.name);
    if (!isSize(count)) throw new Error('a storage has no valid size');
    return new TorchStorage(dtype, key, count);
  },
};

/** `(storage, offset, size, stride, requires_grad, backward_hooks, metadata)` */
function rebuildTensor([storage, offset, shape, strides, , , metadata]: PickleValue[]): PickleValue | undefined {
  if (storage instanceof Placeholder) return storage;
  // Metadata says that the numbers are to be read negated or conjugated.
  if (!(storage instanceof TorchStorage) || (metadata instanceof Map && metadata.size > 0)) return undefined;
  if (!isSize(offset) || !isSizes(shape) || !isSizes(strides) || shape.length !== strides.length) {
    throw new Error('a tensor has no valid offset, size or stride');
  }
  // Copied, because later instructions may change the lists.
  return new TorchTensor(storage, offset, [...shape], [...strides]);
}

function isSizes(value: PickleValue | undefined): value is number[] {
  return Array.isArray(value) && value.length <= MAX_DIMENSIONS && value.every(isSize);
}
